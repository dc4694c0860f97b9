import assert from "node:assert/strict";
import fc from "fast-check";
import {
  adaptiveClipEvent,
  addClippedUnit,
  clipFactor,
  epsilonAt,
  gradientNoiseMultiplier,
  groupPrivacy,
  integerSquaredNorm,
  nextClipBound,
  ringToReal,
  rotate,
  roundedNormBound,
  roundToRing,
  roundUnit,
  squaredNorm,
  unrotate,
} from "../../src/dp/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { seededBytes } from "./_helpers.ts";

/** Exact squared norm of doubles, as a ratio to 2^-2148: every double is an integer times 2^-1074. */
function exactSquare(vector: ArrayLike<number>): bigint {
  let total = 0n;
  for (let i = 0; i < vector.length; i++) {
    const x = Math.abs(vector[i]);
    if (x === 0) continue;
    const bits = new BigUint64Array(new Float64Array([x]).buffer)[0];
    const exponent = bits >> 52n;
    const fraction = bits & ((1n << 52n) - 1n);
    const units = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
    total += units * units;
  }
  return total;
}

Deno.test("a clipped unit moves the sum by at most 1, in exact arithmetic", () => {
  const size = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(size, { minLength: 1, maxLength: 40 }),
      fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
      (list, c) => {
        const sum = new Float64Array(list.length);
        addClippedUnit(sum, Float64Array.from(list), c);
        assert.ok(exactSquare(sum) <= 1n << 2148n);
      },
    ),
    { numRuns: 500, seed: 3 },
  );
});

Deno.test("clipping leaves short gradients as they are and shortens long ones to the bound", () => {
  const short = new Float64Array(3);
  assert.deepEqual(addClippedUnit(short, Float32Array.of(0.3, 0, 0.4), 2), {
    nonFinite: false,
    clipped: false,
  });
  assert.ok(Math.abs(Math.hypot(...short) - 0.25) < 1e-7);
  const long = new Float64Array(3);
  assert.deepEqual(addClippedUnit(long, Float64Array.of(3, 0, 4), 0.5), { nonFinite: false, clipped: true });
  assert.ok(Math.abs(Math.hypot(...long) - 1) < 1e-12);
});

Deno.test("a gradient that is not finite counts as zero and is reported", () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    const sum = Float64Array.of(1, 2);
    assert.deepEqual(addClippedUnit(sum, Float32Array.of(1, bad), 1), { nonFinite: true, clipped: false });
    assert.deepEqual([...sum], [1, 2]);
    assert.equal(clipFactor(bad, 2, 1), 0);
  }
  const sum = new Float64Array(2);
  assert.equal(addClippedUnit(sum, Float64Array.of(1e200, 0), 1).nonFinite, true);
  assert.equal(addClippedUnit(sum, new Float64Array(2), 1).nonFinite, false);
});

Deno.test("a clip bound that is not positive and a gradient of another length are refused, never NaN or 0", () => {
  for (const bound of [0, -1, NaN, Infinity]) {
    assert.throws(() => clipFactor(1, 3, bound), { code: "ConfigError" });
    assert.throws(() => addClippedUnit(new Float64Array(3), new Float64Array(3), bound), {
      code: "ConfigError",
    });
  }
  assert.equal(clipFactor(-1, 3, 1), 0);
  for (const length of [2, 4]) {
    assert.throws(() => addClippedUnit(new Float64Array(3), new Float64Array(length), 1), {
      code: "ConfigError",
    });
  }
});

Deno.test("clipFactor() covers the rounding of a norm over a million float32 numbers", () => {
  const random = new SeededRandom(9);
  const vector = new Float32Array(1_000_000).map(() => random.normal());
  const factor = clipFactor(squaredNorm(vector), vector.length, 1);
  const scaled = Float64Array.from(vector, (x) => x * factor);
  // Kahan summation as the reference.
  let sum = 0;
  let carry = 0;
  for (const x of scaled) {
    const y = x * x - carry;
    const t = sum + y;
    carry = (t - sum) - y;
    sum = t;
  }
  assert.ok(sum <= 1 && sum > 1 - 1e-8, `${sum}`);
});

Deno.test("roundToRing() is unbiased and rounds to a neighbouring integer", () => {
  const n = 100_000;
  const ring = roundToRing(new Float64Array(n).fill(0.3), 1, 100, seededBytes(4));
  const ones = ring.reduce((a, b) => a + b, 0);
  assert.ok(ring.every((x) => x === 0 || x === 1));
  assert.ok(Math.abs(ones / n - 0.3) < 5 * Math.sqrt(0.21 / n));
  const negative = roundToRing(new Float64Array(4).fill(-2.5), 2, 100, seededBytes(4));
  assert.deepEqual([...ringToReal(negative, 2)], [-2.5, -2.5, -2.5, -2.5]);
});

Deno.test("rounding with the same bits moves neighbouring sums apart by at most s |a - b| + sqrt(d)", () => {
  const value = fc.double({ min: -3, max: 3, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 5000 }),
      (pairs, scale) => {
        const a = Float64Array.from(pairs, (p) => p[0]);
        const b = Float64Array.from(pairs, (p) => p[1]);
        const x = roundToRing(a, scale, 2 ** 30, seededBytes(scale));
        const y = roundToRing(b, scale, 2 ** 30, seededBytes(scale));
        const moved = Math.hypot(...Array.from(x, (v, i) => (v - y[i]) | 0));
        const real = Math.hypot(...a.map((v, i) => v - b[i]));
        assert.ok(moved <= scale * real + Math.sqrt(a.length) + 1e-9);
      },
    ),
    { numRuns: 300, seed: 5 },
  );
});

Deno.test("saturation keeps the charge: it never moves values apart", () => {
  const ring = roundToRing(Float64Array.of(50, -50, 0.25), 4, 8, seededBytes(1));
  assert.deepEqual([...ringToReal(ring, 4)], [2, -2, 0.25]);
});

Deno.test("roundUnit() keeps the integer norm within the bound, checked exactly", () => {
  const random = new SeededRandom(2);
  const vector = new Float64Array(2000).map(() => random.normal());
  const norm = Math.hypot(...vector);
  const unit = vector.map((x) => x / norm);
  const { integers, normBound } = roundUnit(unit, 50, seededBytes(3));
  assert.ok(Number(integerSquaredNorm(integers)) <= normBound * normBound);
  assert.ok(normBound < 50 + Math.sqrt(2000));
  assert.throws(() => roundUnit(new Float64Array(4).fill(9), 50, seededBytes(3)), { code: "InternalError" });
  assert.equal(roundedNormBound(10, 16, 0), 14);
});

Deno.test("integerSquaredNorm() is exact where doubles are not", () => {
  assert.equal(
    integerSquaredNorm(Int32Array.of(2 ** 31 - 1, 2 ** 30, 1)),
    4611686014132420609n + 2n ** 60n + 1n,
  );
  const many = new Int32Array(100_000).fill(1_000_003);
  assert.equal(integerSquaredNorm(many), 100_000n * 1_000_003n ** 2n);
});

Deno.test("rotate() keeps the norm, spreads one coordinate over all, and is undone by unrotate()", () => {
  const random = new SeededRandom(6);
  for (const n of [1, 2, 5, 1000, 70_000]) {
    const vector = new Float64Array(n).map(() => random.normal());
    const turned = rotate(vector, "seed");
    assert.ok(Math.abs(Math.sqrt(squaredNorm(turned) / squaredNorm(vector)) - 1) < 1e-12);
    const back = unrotate(turned, "seed", n);
    for (let i = 0; i < n; i++) assert.ok(Math.abs(back[i] - vector[i]) < 1e-10);
  }
  const spike = new Float64Array(1024);
  spike[77] = 1;
  assert.ok(rotate(spike, "seed").every((x) => Math.abs(Math.abs(x) - 1 / 32) < 1e-15));
  assert.notDeepEqual(rotate(spike, "seed"), rotate(spike, "other"));
  assert.throws(() => unrotate(new Float64Array(8), "seed", 3), { code: "ConfigError" });
});

Deno.test("adaptive clipping costs exactly the noise multiplier that was asked for", () => {
  const clip = {
    noiseMultiplier: 1.1,
    countStddev: 10,
    targetQuantile: 0.5,
    learningRate: 0.2,
    expectedUnits: 100,
  };
  const options = { neighboring: "add_or_remove_one" } as const;
  const both = epsilonAt(
    { type: "self_composed", event: adaptiveClipEvent(clip, 0.05), count: 100 },
    1e-6,
    options,
  );
  const one = epsilonAt(
    {
      type: "self_composed",
      event: { type: "poisson", q: 0.05, event: { type: "gaussian", sigma: 1.1 } },
      count: 100,
    },
    1e-6,
    options,
  );
  assert.ok(Math.abs(both.epsilon - one.epsilon) < 1e-6 * one.epsilon);
  assert.throws(() => gradientNoiseMultiplier(2, 1), { code: "ConfigError" });
});

Deno.test("the adaptive clip bound moves toward the quantile and never leaves usable numbers", () => {
  const clip = {
    noiseMultiplier: 1,
    countStddev: 5,
    targetQuantile: 0.5,
    learningRate: 0.2,
    expectedUnits: 100,
  };
  assert.ok(nextClipBound(1, 50, clip) < 1, "all units below the bound: lower it");
  assert.ok(nextClipBound(1, -50, clip) > 1, "no unit below the bound: raise it");
  assert.equal(nextClipBound(1, -1e9, clip), 1e9);
});

Deno.test("groupPrivacy() refuses what is no group and grows with it", () => {
  assert.deepEqual(groupPrivacy(0.5, 1e-7, 1), { epsilon: 0.5, delta: 1e-7 });
  assert.deepEqual(groupPrivacy(0, 1e-7, 4), { epsilon: 0, delta: 4e-7 });
  assert.equal(groupPrivacy(3, 1e-3, 5).delta, 1);
  for (const size of [0, -1, 1.5, NaN]) {
    assert.throws(() => groupPrivacy(1, 1e-6, size), { code: "ConfigError" });
  }
});
