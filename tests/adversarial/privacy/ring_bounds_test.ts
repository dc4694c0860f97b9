import assert from "node:assert/strict";
import {
  addClippedUnit,
  createPlan,
  decodeSum,
  DiscreteGaussianSampler,
  type DpPlan,
  encodeUpdate,
  roundToRing,
  WordSource,
} from "../../../src/dp/mod.ts";
import { seededWords } from "../../_seeded.ts";
import { ringVectorSum } from "./_ring.ts";

const REACH = 2 ** 31 - 1;

function planOf(n: number, maxUnitsPerStep: number, noiseMultiplier = 1): DpPlan {
  return createPlan({
    populations: [{ name: "icu", unit: "patient", samplingRate: 1, maxGradNorm: 1 }],
    setsAreDisjoint: true,
    neighboring: "add_or_remove_one",
    steps: 1,
    dimension: 64,
    cohort: { n, nMin: n, colluders: 1 },
    maxUnitsPerStep,
    delta: 1e-5,
    target: { noiseMultiplier },
  });
}

/** The most units that a plan takes. */
function mostUnits(n: number): number {
  let low = 1, high = 2 ** 31;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    try {
      planOf(n, middle);
      low = middle;
    } catch {
      high = middle;
    }
  }
  return low;
}

Deno.test("at the most units that fit, all sites at their bound together do not wrap, in either direction", () => {
  for (const n of [3, 10]) {
    const most = mostUnits(n);
    const plan = planOf(n, most);
    const { coordinateLimit, scale } = plan.encoding;
    const reach = Math.ceil(16 * plan.noise.shareStddev);
    assert.ok(n * (coordinateLimit + reach) <= REACH, "values and noise of all sites");
    assert.throws(() => planOf(n, most + 1), { code: "ConfigError" });
    for (const sign of [1, -1]) {
      // Far beyond what any honest site has: each site's coordinates saturate.
      const wild = new Float64Array(64).fill(sign * 1e300);
      const sum = decodeSum(
        plan,
        ringVectorSum(Array.from({ length: n }, () => encodeUpdate(plan, wild, seededWords(n)))),
      );
      for (const value of sum) {
        assert.ok(
          sign * value > 0.5 * n * coordinateLimit / scale,
          "the sign of a sum at its bound is right",
        );
      }
    }
  }
});

Deno.test("the ring holds exactly -(2^31 - 1) to 2^31 - 1, and one more is the other sign", () => {
  const bytes = seededWords(2);
  for (const value of [REACH, -REACH, 0, 1, -1]) {
    const ring = roundToRing(Float64Array.of(value), 1, REACH, bytes);
    assert.equal(ring[0] | 0, value);
  }
  const over = ringVectorSum([Uint32Array.of(REACH), Uint32Array.of(1)]);
  assert.equal(over[0] | 0, -(2 ** 31), "which is why a plan leaves room for all sites and their noise");
});

Deno.test("no gradient is long enough, small enough or broken enough to add more than its clip bound", () => {
  const tiny = Number.MIN_VALUE;
  const cases: [string, number[]][] = [
    ["largest float32", [3.4e38, -3.4e38, 3.4e38]],
    ["beyond the range of squares", [1e200, -1e200, 1e200]],
    ["largest float64", [Number.MAX_VALUE, Number.MAX_VALUE, 0]],
    ["subnormal", [tiny, -tiny, 3 * tiny]],
    ["float32 subnormal", [1e-45, 1e-40, 1e-38]],
    ["one huge among tiny ones", [1e150, 1e-150, tiny]],
    ["not a number", [NaN, 1, 1]],
    ["infinite", [Infinity, -Infinity, 1]],
  ];
  for (const [name, values] of cases) {
    for (const bound of [1e-9, 0.1, 1, 1e9]) {
      for (const vector of [Float64Array.from(values), Float32Array.from(values)]) {
        const sum = new Float64Array(3);
        const { nonFinite } = addClippedUnit(sum, vector, bound);
        const length = Math.sqrt(sum.reduce((total, value) => total + value * value, 0));
        assert.ok(length <= 1, `${name}, C = ${bound}: ${length}`);
        if (!vector.every(Number.isFinite)) {
          assert.ok(nonFinite && length === 0, `${name} adds nothing and is counted`);
        }
      }
    }
  }
});

Deno.test("many tiny entries are clipped by their norm together, as float64 has it", () => {
  const d = 200_000;
  for (const entry of [1e-3, 1e-20, 1e-150]) {
    const gradient = new Float64Array(d).fill(entry);
    const bound = Math.max(1e-9, entry);
    const sum = new Float64Array(d);
    addClippedUnit(sum, gradient, bound);
    const length = Math.sqrt(d) * sum[0];
    const wanted = Math.min(1, Math.sqrt(d) * entry / bound);
    assert.ok(length <= 1 && Math.abs(length - wanted) <= 1e-9 * wanted, `${entry}: ${length}`);
  }
});

Deno.test("a sum that is not finite releases nothing", () => {
  const plan = planOf(3, 100);
  for (const bad of [NaN, Infinity, -Infinity]) {
    const sum = new Float64Array(64);
    sum[17] = bad;
    let asked = 0;
    const bytes = (length: number) => (asked++, new Uint8Array(length));
    assert.throws(() => encodeUpdate(plan, sum, bytes), { code: "InternalError" });
    assert.equal(asked, 0);
  }
});

/** Counts the words that a sampler takes: its time without the clock's noise. */
class CountedWords extends WordSource {
  taken = 0;
  override word(): number {
    this.taken++;
    return super.word();
  }
}

Deno.test("the work for a vector of noise says nothing of the noise along a direction", () => {
  const words = new CountedWords(seededWords(9));
  const sampler = new DiscreteGaussianSampler({ numerator: 10n ** 10n, denominator: 1n }, words);
  const vectors = 400;
  const work: number[] = [], along: number[] = [];
  for (let v = 0; v < vectors; v++) {
    const before = words.taken;
    let sum = 0;
    for (let i = 0; i < 200; i++) sum += (i % 2 === 0 ? 1 : -1) * sampler.sample();
    along.push(sum);
    work.push(words.taken - before);
  }
  const centre = (values: number[]) => {
    const mean = values.reduce((a, b) => a + b, 0) / vectors;
    return values.map((value) => value - mean);
  };
  const [a, b] = [centre(work), centre(along)];
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  const correlation = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  // Four standard errors of nothing: a false alarm in 16,000 seeds.
  assert.ok(Math.abs(correlation) < 4 / Math.sqrt(vectors), `${correlation}`);
});
