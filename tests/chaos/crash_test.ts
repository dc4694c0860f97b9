import assert from "node:assert/strict";
import { postgresTest } from "../_postgres.ts";
import { prepareData } from "./_federation.ts";
import { runScenario } from "./_run.ts";
import { type Scenario, scenarioOf } from "./_scenarios.ts";

/** One seed of each kind, with the first of its kills; `tools/chaos` runs many, with all of theirs. */
const SEEDS = { aggregator: 117, site: 7, replica: 8, postgres: 10, random: 11 } as const;

function shortened(kind: keyof typeof SEEDS, outside: Scenario["outside"] | undefined): Scenario {
  const scenario = scenarioOf(SEEDS[kind]);
  assert.equal(scenario.kind, kind);
  const kills = Object.entries(scenario.kills).map(([name, places]) => [name, places.slice(0, 1)]);
  return { ...scenario, kills: Object.fromEntries(kills), outside: outside ?? scenario.outside.slice(0, 2) };
}

async function holds(
  kind: keyof typeof SEEDS,
  cluster?: Parameters<typeof runScenario>[1]["cluster"],
  outside?: Scenario["outside"],
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const data = await prepareData(`${dir}/data`);
    const { deaths } = await runScenario(shortened(kind, outside), { dir: `${dir}/run`, data, cluster });
    assert.ok(deaths > 0, "something was killed");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("an aggregator that is killed at writes of its journal, and as a site accepts the plan, loses no sum, charge or checkpoint", () =>
  holds("aggregator", undefined, [{ at: 1, path: "/v1/plan/answer", victim: "aggregator" }]));

Deno.test("a site that is killed at its writes and requests reveals and spends nothing twice", () =>
  holds("site"));

Deno.test("whatever is killed at any request, the run goes on", () => holds("random"));

postgresTest(
  "replicas that are killed at writes of their journal hand the run on",
  (cluster) => holds("replica", cluster),
);

postgresTest("a database that is killed twice costs no sum", (cluster) => holds("postgres", cluster));
