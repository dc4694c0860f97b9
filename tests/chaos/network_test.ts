import assert from "node:assert/strict";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { type Fault, FAULTS } from "./_fault_proxy.ts";
import { ChaosFederation, prepareData } from "./_federation.ts";
import { assertLaws } from "./_laws.ts";

const STEPS = 2;

Deno.test("over a network that loses, repeats, delays, reorders and truncates, sums are exact and nothing is charged twice", async () => {
  const dir = await Deno.makeTempDir();
  const federation = await ChaosFederation.create({
    dir: `${dir}/run`,
    data: await prepareData(`${dir}/data`),
    steps: STEPS,
    phaseDeadlineMs: 60_000,
    aggregators: ["aggregator"],
    kills: {},
  });
  try {
    // Every fault meets every kind of request; about every third request meets one.
    const random = new SeededRandom(11);
    const met = new Map<Fault, number>();
    federation.fault = () => {
      if (random.integer(3) !== 0) return "none";
      const fault = FAULTS[random.integer(FAULTS.length)];
      met.set(fault, (met.get(fault) ?? 0) + 1);
      return fault;
    };
    federation.start();
    const [aggregator, sites] = ["aggregator", "sites"].map((name) => federation.parties.get(name)!);
    assert.equal(await aggregator.ended, 0, `${aggregator.log.slice(-2000)}\n${sites.log}`);
    assert.equal(await sites.ended, 0, sites.log);
    const outcome = await assertLaws(federation, true);
    assert.deepEqual(outcome, { summed: STEPS, aborted: 0, deaths: 0 });
    assert.deepEqual([...met.keys()].sort(), [...FAULTS].sort(), "every fault was met");
    const { statuses, replays } = federation.proxy;
    assert.deepEqual(statuses.filter((status) => status === 500), []);
    assert.ok(replays.length > 0);
    assert.deepEqual(replays.filter((status) => status !== 401), [], "a replayed request is refused");
  } finally {
    await federation.close();
    await Deno.remove(dir, { recursive: true });
  }
});
