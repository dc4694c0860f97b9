import assert from "node:assert/strict";
import fc from "fast-check";
import { DEFAULT_INJECTION } from "../../src/m3oe/mod.ts";
import type { EncodedSample } from "../../src/m3oe/encoded_sample.ts";
import { apportion, mixTasks } from "../../src/m3oe/mixing.ts";
import { planEpochs, rateFactor } from "../../src/m3oe/schedule.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";

function samples(counts: readonly number[]): EncodedSample[] {
  return counts.flatMap((count, at) =>
    Array.from({ length: count }, (_, index): EncodedSample => ({
      task: { name: `task${at}`, description: "d", modalityDescription: "m", type: "binary" },
      modalities: [],
      suffix: [1],
      answer: [2],
      index: 1000 * at + index,
    }))
  );
}

function countsOf(list: readonly EncodedSample[]): Record<string, number> {
  return Object.fromEntries(
    [...Map.groupBy(list, ({ task }) => task.name)].map(([name, g]) => [name, g.length]),
  );
}

Deno.test("apportion() shares everything out, gives everyone one and is within one of the exact share", () => {
  fc.assert(fc.property(
    fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 1, maxLength: 8 }),
    fc.nat(200),
    (weights, extra) => {
      const total = weights.length + extra;
      const quotas = apportion(weights, total);
      const sum = weights.reduce((all, weight) => all + weight, 0);
      assert.equal(quotas.reduce((all, quota) => all + quota, 0), total);
      quotas.forEach((quota, index) => {
        assert.ok(quota >= 1);
        assert.ok(Math.abs(quota - (1 + extra * weights[index] / sum)) < 1 + 1e-6);
      });
    },
  ));
});

Deno.test("proportional mixing takes every sample once; uniform gives tasks equal shares; T interpolates", () => {
  const all = samples([90, 9]);
  const random = (): SeededRandom => new SeededRandom(1);
  assert.deepEqual(mixTasks(all, { kind: "proportional" }, random()), all);
  const uniform = mixTasks(all, { kind: "uniform" }, random());
  assert.ok(Math.abs(countsOf(uniform).task0 - countsOf(uniform).task1) <= 1);
  const tempered = (temperature: number): number =>
    countsOf(mixTasks(all, { kind: "temperature", temperature }, random())).task1;
  assert.ok(Math.abs(tempered(1) - 9) <= 1);
  assert.ok(tempered(2) > tempered(1) && tempered(2) < tempered(1000));
  assert.equal(tempered(1e9), countsOf(uniform).task1);
});

Deno.test("a task that is drawn more often than it has samples repeats them evenly", () => {
  const uniform = mixTasks(samples([90, 9]), { kind: "uniform" }, new SeededRandom(1));
  const times = Map.groupBy(uniform.filter(({ index }) => index >= 1000), ({ index }) => index);
  const counts = [...times.values()].map((list) => list.length);
  assert.equal(times.size, 9);
  assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
});

Deno.test("every batch has one task, and a plan is a function of samples, settings and seed", () => {
  const config = { ...DEFAULT_INJECTION, mixing: { kind: "uniform" } as const, batchSize: 8, epochs: 3 };
  const plan = planEpochs(samples([50, 20, 7]), config, 5);
  assert.equal(plan.length, 3);
  for (const batch of plan.flat()) assert.equal(new Set(batch.map(({ task }) => task.name)).size, 1);
  const order = (schedule: typeof plan): number[] => schedule.flat(2).map(({ index }) => index);
  assert.deepEqual(order(planEpochs(samples([50, 20, 7]), config, 5)), order(plan));
  assert.notDeepEqual(order(planEpochs(samples([50, 20, 7]), config, 6)), order(plan));
});

Deno.test("the learning rate warms up to its peak and decays to 0, or stays", () => {
  for (const decay of ["cosine", "linear", "none"] as const) {
    const config = { ...DEFAULT_INJECTION, warmup: 0.1, decay };
    const factors = Array.from({ length: 100 }, (_, step) => rateFactor(step, 100, config));
    const warm = factors.slice(0, 10);
    assert.deepEqual(warm, [...warm].sort((a, b) => a - b));
    assert.equal(warm[9], 1);
    const rest = factors.slice(10);
    assert.deepEqual(rest, [...rest].sort((a, b) => b - a));
    assert.ok(decay === "none" ? rest[89] === 1 : rest[89] < 0.02 && rest[89] > 0);
    if (decay === "linear") assert.ok(Math.abs(rest[45] - 0.5) < 1e-9);
  }
});
