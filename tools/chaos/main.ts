// Kills real federations and checks the laws that must hold after it:
// deno run -A tools/chaos/main.ts [--seeds N] [--first N] [--parallel N] [--record FILE]
import { parseArgs } from "node:util";
import { openCluster } from "../../tests/_postgres.ts";
import { prepareData } from "../../tests/chaos/_federation.ts";
import { runScenario } from "../../tests/chaos/_run.ts";
import { scenarioOf } from "../../tests/chaos/_scenarios.ts";
import { type SeedResult, summary } from "./summary.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    seeds: { type: "string", default: "200" },
    first: { type: "string", default: "0" },
    parallel: { type: "string", default: "1" },
    record: { type: "string" },
  },
});
const [seeds, first, parallel] = [values.seeds, values.first, values.parallel].map(Number);

const folder = await Deno.makeTempDir({ prefix: "fedkim-chaos-" });
const data = await prepareData(`${folder}/data`);
const queue = Array.from({ length: seeds }, (_, i) => first + i);
const results: SeedResult[] = [];

/** Takes seeds one after the other; each worker has a database server of its own, which its runs may crash. */
async function worker(): Promise<void> {
  const cluster = await openCluster();
  try {
    for (let seed = queue.shift(); seed !== undefined; seed = queue.shift()) {
      const scenario = scenarioOf(seed);
      if (scenario.aggregators.length > 1 && cluster === undefined) continue;
      const started = performance.now();
      const result = await runScenario(scenario, { dir: `${folder}/${seed}`, data, cluster })
        .then((outcome) => ({ outcome }), (error: Error) => ({ failure: error.message }));
      const seconds = (performance.now() - started) / 1000;
      const done = { seed, scenario, seconds, ...result };
      results.push(done);
      console.log(JSON.stringify({ seed, kind: scenario.kind, seconds: Math.round(seconds), ...result }));
      if (values.record !== undefined) await Deno.writeTextFile(values.record, summary(results));
    }
  } finally {
    await cluster?.remove();
  }
}

await Promise.all(Array.from({ length: parallel }, worker));
await Deno.remove(folder, { recursive: true });
console.log(summary(results));
Deno.exit(results.some((result) => "failure" in result) ? 1 : 0);
