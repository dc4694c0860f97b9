import assert from "node:assert/strict";
import type { DpEvent } from "../../src/dp/mod.ts";
import { gradientNoiseMultiplier } from "../../src/dp/encoding/adaptive_clip.ts";
import { clipFactor, normUpperBound } from "../../src/dp/encoding/clip.ts";
import { logGamma } from "../../src/dp/numerics/mod.ts";
import { belowExpMinus, expMinusBounds } from "../../src/dp/noise/exact_exp.ts";
import { skellamNoise } from "../../src/dp/pld/discrete_pairs.ts";
import { gaussianPair } from "../../src/dp/pld/gaussian_pair.ts";
import type { ContinuousPair, Tails } from "../../src/dp/pld/pairs.ts";
import { poissonPair } from "../../src/dp/pld/poisson_pair.ts";
import { composedRdp } from "../../src/dp/rdp/mod.ts";

/** Equal to 14 digits, infinities and zeros exactly. */
function near(found: number, expected: number, what: string): void {
  const same = found === expected || Math.abs(found - expected) <= 1e-14 * Math.abs(expected);
  assert.ok(same, `${what}: ${found} is not ${expected}`);
}

function tailsOf(pair: ContinuousPair, loss: number): Tails {
  const out = { pBelow: NaN, pAbove: NaN, qBelow: NaN, qAbove: NaN };
  pair.tails(loss, out);
  return out;
}

Deno.test("Skellam noise of a variance far below 1 has the masses of the Bessel series, down to e^-700 and below", () => {
  for (const variance of [1e-6, 1e-3, 0.1]) {
    const { logMasses } = skellamNoise(variance, 0);
    assert.ok(logMasses.at(-1)! < -700, "Miller's recurrence passes the range of doubles");
    for (const [x, found] of logMasses.entries()) {
      // I_x(v) = (v/2)^x / x! (1 + (v/2)^2 / (x + 1) (1 + (v/2)^2 / (2 (x + 2)) (1 + ...))).
      const square = (variance / 2) ** 2;
      const series = (square / (x + 1)) * (1 + (square / (2 * (x + 2))) * (1 + square / (3 * (x + 3))));
      const expected = x * Math.log(variance / 2) - logGamma(x + 1) + Math.log1p(series) - variance;
      assert.ok(
        Math.abs(found - expected) <= 1e-12 * (1 + Math.abs(expected)),
        `${variance} at ${x}: ${found}`,
      );
    }
  }
});

Deno.test("Poisson sampling of losses beyond the range of e^x is the shift by ln q, not an overflow", () => {
  const base = gaussianPair(40); // losses around 800
  const q = 0.25;
  const { remove, add } = poissonPair(base, q) as { remove: ContinuousPair; add: ContinuousPair };
  const [low, high] = base.range(1e-12);
  assert.ok(low < -710 && high > 710);
  near(remove.range(1e-12)[0], Math.log1p(-q), "what only the other side has");
  near(remove.range(1e-12)[1], high + Math.log(q), "the largest loss");
  near(add.range(1e-12)[0], low - Math.log(q), "the smallest loss");
  near(add.range(1e-12)[1], -Math.log1p(-q), "what only this side has");
  for (const loss of [700, 790, 800, 850, 1200]) {
    const at = tailsOf(base, loss - Math.log(q));
    const sampled = tailsOf(remove, loss);
    near(sampled.qAbove, at.qAbove, `Q above ${loss}`);
    near(sampled.pAbove, (1 - q) * at.qAbove + q * at.pAbove, `P above ${loss}`);
    const mirrored = tailsOf(add, -loss);
    near(mirrored.pBelow, tailsOf(base, -loss + Math.log(q)).pBelow, `P below ${-loss}`);
  }
  // Losses that no outcome has: everything lies on one side.
  assert.deepEqual(tailsOf(remove, Math.log1p(-q) - 1), { pBelow: 0, pAbove: 1, qBelow: 0, qAbove: 1 });
  assert.deepEqual(tailsOf(add, 1 - Math.log1p(-q)), { pBelow: 1, pAbove: 0, qBelow: 1, qAbove: 0 });
});

Deno.test("repeat_and_select has a Renyi curve only of mechanisms with one at every order and no failure chance", () => {
  const repeated = (event: DpEvent): DpEvent => ({ type: "repeat_and_select", mean: 2, shape: 1, event });
  const curve = (event: DpEvent) => composedRdp(repeated(event), "add_or_remove_one");
  assert.ok(curve({ type: "gaussian", sigma: 2 }).at(3) > 0);
  assert.ok(curve({ type: "eps_delta", epsilon: 1, delta: 0 }).at(3) > 0);
  const refused: DpEvent[] = [
    { type: "skellam", variance: 40, l2_sensitivity: 1, l1_sensitivity: 1 },
    { type: "eps_delta", epsilon: 1, delta: 1e-9 },
  ];
  for (const event of refused) {
    assert.throws(() => curve(event), { code: "UnsupportedDpEvent" }, event.type);
  }
});

Deno.test("a gradient whose norm bound is the clip bound itself is not touched; the next longer one is", () => {
  const bound = normUpperBound(9, 4);
  assert.equal(clipFactor(9, 4, bound), 1);
  const longer = clipFactor(9 * (1 + 2 ** -49), 4, bound);
  assert.ok(longer < 1 && longer > 1 - 2 ** -48, `${longer}`);
});

Deno.test("noise of adaptive clipping is refused where any one of its parts is not possible", () => {
  assert.ok(Math.abs(gradientNoiseMultiplier(1, 5) - (1 - 1 / 100) ** -0.5) < 1e-15);
  for (const [noise, count] of [[10, 5], [11, 5], [-1, 5], [1, -5], [0, 5], [1, 0], [NaN, 5], [1, NaN]]) {
    assert.throws(() => gradientNoiseMultiplier(noise, count), { code: "ConfigError" }, `${noise} ${count}`);
  }
});

Deno.test("a coin whose first word meets a bound exactly is decided without a further word", () => {
  const noFurther = (): number => assert.fail("a further word is drawn");
  for (const [numerator, denominator] of [[1n, 1n], [7n, 3n], [1n, 1000n], [20n, 1n]]) {
    const { low, high } = expMinusBounds(numerator, denominator, 32n);
    assert.equal(belowExpMinus(Number(low) - 1, numerator, denominator, noFurther), true);
    assert.equal(belowExpMinus(Number(high), numerator, denominator, noFurther), false);
  }
});
