import assert from "node:assert/strict";
import { coinsEvent } from "../../src/dp/mod.ts";
import { coinCounts } from "../../src/dp/plan/_coin_counts.ts";

/** The distribution by convolution, coin by coin. */
function byConvolution(chances: readonly number[]): Float64Array {
  const probs = new Float64Array(chances.length + 1);
  probs[0] = 1;
  for (const [n, chance] of chances.entries()) {
    for (let k = n + 1; k > 0; k--) probs[k] = probs[k] * (1 - chance) + probs[k - 1] * chance;
    probs[0] *= 1 - chance;
  }
  return probs;
}

const coins = (...groups: [count: number, chance: number][]) =>
  groups.flatMap(([count, chance]) => new Array<number>(count).fill(chance));

Deno.test("up to 1024 coins every count has its own chance", () => {
  for (
    const chances of [
      coins([3, 0.25]),
      coins([2, 0.5], [1, 1]),
      coins([1024, 0.01]),
      coins([600, 0.5], [424, 0.3]),
    ]
  ) {
    const { counts, probs } = coinCounts(chances);
    assert.deepEqual(counts, counts.map((_, i) => i));
    const exact = byConvolution(chances);
    // The last one takes what rounding has left of 1.
    for (const [i, p] of probs.slice(0, -1).entries()) {
      assert.ok(Math.abs(p - exact[i]) <= 1e-12 * exact[i], `${i}: ${p}`);
    }
    assert.ok(exact.slice(counts.length).reduce((a, b) => a + b, 0) < 1.01e-25, "no chance is left out");
    assert.ok(Math.abs(probs.reduce((a, b) => a + b) - 1) < 1e-12);
  }
  assert.deepEqual(coinCounts([0.25, 0.5]), { counts: [0, 1, 2], probs: [0.375, 0.5, 0.125] });
});

Deno.test("of more coins every count is at least as likely exceeded as it is, and a mean is little larger", () => {
  for (
    const chances of [
      coins([1025, 0.05]),
      coins([3000, 0.5]),
      coins([2000, 0.999]),
      coins([5000, 1e-4]),
      coins([1500, 0.1], [1000, 0.7]),
      coins([1200, 1], [300, 0.2]),
      coins([1025, 1 - 2 ** -53]),
      coins([1100, 1e-9]),
    ]
  ) {
    const { counts, probs } = coinCounts(chances);
    assert.ok(counts.length <= 64 && counts.every((count, i) => i === 0 || count > counts[i - 1]));
    assert.ok(counts.at(-1)! <= chances.length);
    const exact = byConvolution(chances);
    let [own, truth, next] = [0, 0, 0];
    for (const [at, count] of counts.entries()) {
      // Chance of at most `count - 1`: what the distribution has below may not be more than there is.
      for (; next < count; next++) truth += exact[next];
      assert.ok(own <= truth * (1 + 1e-12), `${chances.length}: ${own} below ${count}, truly ${truth}`);
      own += probs[at];
    }
    assert.ok(Math.abs(own - 1) < 1e-12);
    const mean = counts.reduce((sum, count, i) => sum + count * probs[i], 0);
    const expected = chances.reduce((a, b) => a + b);
    const deviation = Math.sqrt(chances.reduce((sum, chance) => sum + chance * (1 - chance), 0));
    assert.ok(mean >= expected * (1 - 1e-9), `${mean} of ${expected}`);
    assert.ok(mean - expected <= 0.5 * deviation + 1e-6, `${mean} of ${expected}`);
  }
});

Deno.test("rounding is answered by moving its share to the largest count, where there is any", () => {
  assert.deepEqual(coinCounts(coins([1200, 1])), { counts: [1200], probs: [1] });
  const { counts, probs } = coinCounts(coins([1025, 1e-9]));
  assert.deepEqual(counts, [0, 1, 2, 3]);
  const taken = 1 - probs[0] / (1 - 1e-9) ** 1025;
  // Sixteen roundings for each entry of the two lists, of some six entries each.
  assert.ok(taken > 1e-14 && taken < 3e-13, `${taken}`);
  assert.ok(probs[3] > 16 * 8 * 2 ** -53 && probs[3] < 16 * 16 * 2 ** -53, `${probs[3]}`);
});

Deno.test("a group of a hundred thousand units with two coins each has an event of at most 64 components", () => {
  const event = coinsEvent(coins([200_000, 0.02]), 7);
  assert.ok(event.type === "mixture_of_gaussians");
  assert.ok(event.sensitivities.length <= 64 && event.sensitivities.length > 40);
  assert.ok(event.sensitivities[0] > 3000 && event.sensitivities.at(-1)! < 5000);
});
