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

/** Data of all runs of this file, removed with it. */
let data: Promise<string> | undefined;

function sharedData(): Promise<string> {
  return data ??= (async () => {
    const dir = await Deno.makeTempDir();
    globalThis.addEventListener("unload", () => Deno.removeSync(dir, { recursive: true }));
    return await prepareData(`${dir}/data`);
  })();
}

async function holds(
  kind: keyof typeof SEEDS,
  cluster?: Parameters<typeof runScenario>[1]["cluster"],
  outside?: Scenario["outside"],
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const { deaths } = await runScenario(shortened(kind, outside), { dir, data: await sharedData(), cluster });
  assert.ok(deaths > 0, "something was killed");
}

/** Runs that wait for leases and deadlines most of the time, so that they take place at once. */
const AT_ONCE = [
  {
    name:
      "an aggregator that is killed at writes of its journal, and as a site accepts the plan, loses no sum, charge or checkpoint",
    fn: () => holds("aggregator", undefined, [{ at: 1, path: "/v1/plan/answer", victim: "aggregator" }]),
  },
  {
    name: "a site that is killed at its writes and requests reveals and spends nothing twice",
    fn: () => holds("site"),
  },
  { name: "whatever is killed at any request, the run goes on", fn: () => holds("random") },
];
/** What one run leaves open for a while belongs to another one's time. */
const SHARED = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };

Deno.test({
  name: "whoever is killed, every law holds",
  fn: async (t) => {
    const held = await Promise.all(AT_ONCE.map((step) => t.step({ ...step, ...SHARED })));
    assert.deepEqual(held, AT_ONCE.map(() => true));
  },
});

postgresTest("whoever is killed, every law holds on PostgreSQL", async (cluster, t) => {
  await t.step(
    "replicas that are killed at writes of their journal hand the run on",
    () => holds("replica", cluster),
  );
  await t.step("a database that is killed twice costs no sum", () => holds("postgres", cluster));
});
