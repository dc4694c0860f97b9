import { type Cluster, openCluster } from "../../tests/_postgres.ts";
import { runScenario } from "../../tests/chaos/_run.ts";
import { scenarioOf } from "../../tests/chaos/_scenarios.ts";
import { type SeedResult, summary } from "./summary.ts";

/** Where runs take place. */
export interface ChaosPlace {
  /** A folder for everything. */
  readonly folder: string;
  /** Data of the sites. */
  readonly data: string;
  /** A page that is written anew after each result. */
  readonly record: string | undefined;
}

/** Which seeds are run. */
export interface Kills {
  readonly seeds: number;
  readonly first: number;
  /** How many at a time. */
  readonly parallel: number;
}

/** Runs seed after seed. @returns true where every law held */
export async function killMany(place: ChaosPlace, { seeds, first, parallel }: Kills): Promise<boolean> {
  const queue = Array.from({ length: seeds }, (_, i) => first + i);
  const results: SeedResult[] = [];
  await Promise.all(Array.from({ length: parallel }, () => worker(place, queue, results)));
  console.log(summary(results));
  return results.every((result) => "outcome" in result);
}

/** Takes seeds one after the other; each worker has a database server of its own, which its runs may crash. */
async function worker(
  { folder, data, record }: ChaosPlace,
  queue: number[],
  results: SeedResult[],
): Promise<void> {
  let cluster: Cluster | undefined;
  try {
    for (let seed = queue.shift(); seed !== undefined; seed = queue.shift()) {
      const scenario = scenarioOf(seed);
      if (scenario.aggregators.length > 1) cluster ??= await openCluster();
      if (scenario.aggregators.length > 1 && cluster === undefined) continue;
      const started = performance.now();
      const result = await runScenario(scenario, { dir: `${folder}/${seed}`, data, cluster })
        .then((outcome) => ({ outcome }), (error: Error) => ({ failure: error.message }));
      const seconds = (performance.now() - started) / 1000;
      results.push({ seed, scenario, seconds, ...result });
      console.log(JSON.stringify({ seed, kind: scenario.kind, seconds: Math.round(seconds), ...result }));
      if (record !== undefined) await Deno.writeTextFile(record, summary(results));
    }
  } finally {
    await cluster?.remove();
  }
}
