import assert from "node:assert/strict";
import fc from "fast-check";
import type { DealtUnit } from "../../src/local/_dealing.ts";
import { dealUnits, type Microbatch } from "../../src/local/_microbatches.ts";
import { clippedGradientSum, type SetFeatures } from "../../src/local/mod.ts";
import { portions } from "../../src/local/training_set.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { makeCase, RESIDUAL } from "./_attention_fixture.ts";

/** Batches of a sample, portion by portion, as text. */
function batchesOf(set: SetFeatures, chosen: readonly DealtUnit[], rows: number): Map<string, Microbatch> {
  const batches = new Map<string, Microbatch>();
  for (const portion of portions(set, chosen)) {
    const { whole } = dealUnits(set, portion.units, rows, portion.units.length === chosen.length);
    for (const batch of whole) batches.set(JSON.stringify(batch), batch);
  }
  return batches;
}

Deno.test("one unit more or less changes batches of at most 2 * rows other units, whatever is sampled", () => {
  const records = fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: 1, max: 9 }) },
    { weight: 2, arbitrary: fc.integer({ min: 10, max: 90 }) },
    { weight: 1, arbitrary: fc.integer({ min: 2000, max: 5000 }) },
  );
  const sizes = fc.oneof(
    fc.array(records, { minLength: 1, maxLength: 60 }),
    fc.array(records, { minLength: 1000, maxLength: 1500 }),
  );
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(), (sizes, seed, pick) => {
      const random = new SeededRandom(seed % 1e6);
      const rowsOf = new Map(
        sizes.map((size, u) => [`u${u}`, Array.from({ length: size }, (_, r) => 10_000 * u + r)]),
      );
      const set = { rowsOf } as unknown as SetFeatures;
      const chosen = [...rowsOf.keys()].map((unit) => ({ unit, key: random.integer(2 ** 32) }))
        .sort((a, b) => a.key - b.key);
      const gone = chosen[pick % chosen.length].unit;
      const [all, fewer] = [
        batchesOf(set, chosen, 64),
        batchesOf(set, chosen.filter(({ unit }) => unit !== gone), 64),
      ];
      for (const [some, others] of [[all, fewer], [fewer, all]]) {
        const changed = [...some].filter(([text]) => !others.has(text)).flatMap(([, { units }]) => units);
        assert.ok(changed.filter((unit) => unit !== gone).length <= 128, `${changed.length} units`);
      }
    }),
    { numRuns: 150 },
  );
});

Deno.test("taking one unit from 25,600 changes the device engine's sum by that unit's gradient, far inside the float slack", async () => {
  const { spec, weights, features } = await makeCase(RESIDUAL, [1, 1]);
  const set = features.sets.get("ecg")!;
  // Two kinds of record in runs of 32: where batches shift by one, all of them are rounded in another way.
  const rowsOf = new Map(Array.from({ length: 25_600 }, (_, u) => [`u${u}`, [(u >> 5) % 2]] as const));
  const repeated = { sets: new Map([["ecg", { ...set, rowsOf }]]) };
  const random = new SeededRandom(5);
  const keys = Uint8Array.from({ length: 4 * rowsOf.size }, () => random.integer(256));
  const sumOf = async (chosen: readonly string[], bytes: Uint8Array): Promise<Float64Array> => {
    const options = { engine: "device", randomBytes: () => bytes } as const;
    const bound = new Map([["ecg", 1e-3]]);
    return (await clippedGradientSum(spec, weights, repeated, new Map([["ecg", chosen]]), bound, options))
      .sum;
  };
  const names = [...rowsOf.keys()];
  const whole = await sumOf(names, keys);
  const own = await sumOf(["u0"], keys.subarray(0, 4));
  const fewer = await sumOf(names.slice(1), keys.subarray(4));
  const error = Math.hypot(...whole.map((value, i) => value - fewer[i] - own[i]));
  assert.ok(Math.hypot(...own) > 0.99, "the clip is active");
  // Batches cut at equal distances would be off by more than the slack, 1e-3, and twice that for twice the units.
  assert.ok(error < 4e-6, `off by ${error}`);
});
