import assert from "node:assert/strict";
import {
  belowExpMinus,
  DiscreteGaussianSampler,
  expMinusBounds,
  PoissonSampler,
  type Rational,
  roundUnit,
  sampleDiscreteGaussian,
  WordSource,
} from "../../src/dp/mod.ts";
import { seededBytes } from "./_helpers.ts";

/** A source that gives these words, then the last of them for ever. */
function wordsOf(words: readonly number[]): WordSource {
  let at = 0;
  return new WordSource((length) =>
    new Uint8Array(new Uint32Array(length / 4).map(() => words[Math.min(at++, words.length - 1)]).buffer)
  );
}

const BITS = 320n;

/** floor(2^BITS e^-(a/b)), whose neighbours differ far beyond what a draw reads. */
function exponential(a: bigint, b: bigint): bigint {
  return expMinusBounds(a, b, BITS + 64n).low >> 64n;
}

/** `count` bits of a number below 1 given to BITS bits, from bit `from` on. */
function bitsFrom(value: bigint, from: number, count: number): number {
  return Number((value >> (BITS - BigInt(from + count))) & ((1n << BigInt(count)) - 1n));
}

/** Words whose bits are those of `value` for `words` words, and zeros or ones after that. */
function wordsNear(value: bigint, words: number, after: 0 | 0xffffffff): number[] {
  return [...Array.from({ length: words }, (_, i) => bitsFrom(value, 32 * i, 32)), after];
}

/** The same for a uniform number whose first 53 bits come from two words. */
function uniformNear(value: bigint, words: number, after: 0 | 0xffffffff): number[] {
  const head = [bitsFrom(value, 0, 27) * 32, bitsFrom(value, 27, 26) * 64];
  return [...head, ...Array.from({ length: words }, (_, i) => bitsFrom(value, 53 + 32 * i, 32)), after];
}

Deno.test("a coin of e^-x is decided by the first bit that differs, however late it comes", () => {
  for (const [a, b] of [[1n, 1n], [1n, 2n], [7n, 3n], [1n, 1000n], [40n, 3n]] as const) {
    const value = exponential(a, b);
    for (const [after, below] of [[0, true], [0xffffffff, false]] as const) {
      for (const words of [1, 2, 3, 6]) {
        const [first, ...rest] = wordsNear(value, words, after);
        const source = wordsOf(rest);
        assert.equal(
          belowExpMinus(first, a, b, () => source.word()),
          below,
          `${a}/${b} after ${words} words`,
        );
      }
    }
  }
});

Deno.test("PoissonSampler finds the step of the exact distribution that a uniform falls under, however near to it", () => {
  // cdf(k) = e^-m sum of m^j / j!, as a fraction of e^-m.
  const cases: readonly [mean: Rational, k: number, top: bigint, under: bigint][] = [
    [{ numerator: 1n, denominator: 2n }, 0, 1n, 1n],
    [{ numerator: 1n, denominator: 2n }, 1, 3n, 2n],
    [{ numerator: 3n, denominator: 1n }, 0, 1n, 1n],
    [{ numerator: 3n, denominator: 1n }, 2, 17n, 2n],
    [{ numerator: 3n, denominator: 1n }, 3, 13n, 1n],
    [{ numerator: 3n, denominator: 1n }, 4, 131n, 8n],
  ];
  for (const [mean, k, top, under] of cases) {
    const step = exponential(BigInt(mean.numerator), BigInt(mean.denominator)) * top / under;
    for (const words of [0, 1, 2, 4, 6]) {
      const draw = (after: 0 | 0xffffffff) =>
        new PoissonSampler(mean, wordsOf(uniformNear(step, words, after))).sample();
      assert.deepEqual(
        [draw(0), draw(0xffffffff)],
        [k, k + 1],
        `mean ${mean.numerator}, step ${k}, ${words} words`,
      );
    }
  }
});

Deno.test("PoissonSampler starts its table above zero for a large mean, and is as exact there", () => {
  const mean = { numerator: 400n, denominator: 1n };
  // Summed exactly: cdf(k) e^m as a fraction of k!.
  let [term, sum] = [1n, 0n];
  const k = 385;
  let factorial = 1n;
  for (let j = 1; j <= k; j++) factorial *= BigInt(j);
  term = factorial;
  for (let j = 0; j <= k; j++) {
    sum += term;
    term = (term * 400n) / BigInt(j + 1);
  }
  const step = (expMinusBounds(400n, 1n, 1600n).low * sum / factorial) >> (1600n - BITS);
  for (const words of [0, 2]) {
    const draw = (after: 0 | 0xffffffff) =>
      new PoissonSampler(mean, wordsOf(uniformNear(step, words, after))).sample();
    assert.deepEqual([draw(0), draw(0xffffffff)], [k, k + 1], `${words} words`);
  }
});

Deno.test("the coins of the discrete Gaussian are decided exactly: e^-low/t, e^-1, and e^-(size - v/t)^2 / 2v", () => {
  const variance = { numerator: 4n, denominator: 1n };
  const ones = 0xffffffff;
  const draw = (words: number[]) => new DiscreteGaussianSampler(variance, wordsOf(words)).sample();
  // t = 2. One word: the low bit of the size in bit 30, its sign in bit 31. After it a draw of 0 that is sure.
  const zero = [0, 0, ones, 0];
  const half = exponential(1n, 2n);
  const eighth = exponential(1n, 8n);
  const e = exponential(1n, 1n);
  for (const words of [1, 2, 4]) {
    const near = (value: bigint, after: 0 | 0xffffffff) => wordsNear(value, words, after);
    // The coin of the low part: accepted, then no high part, then a sure last coin; or rejected, then the zero.
    assert.equal(draw([1 << 30, ...near(half, 0), ones, 0]), 1);
    assert.equal(draw([1 << 30, ...near(half, ones), ...zero]), 0);
    // The coin of the high part: one more turn of t = 2, or none.
    assert.equal(draw([0, 0, ...near(e, 0), ones, 0]), 2);
    assert.equal(draw([0, 0, ...near(e, ones), 0]), 0);
    // The last coin at size 1: offset 1 - 4/2 = -1, so e^-1/8.
    assert.equal(draw([1 << 30, 0, ones, ...near(eighth, 0)]), 1);
    assert.equal(draw([(1 << 30) + 2 ** 31, 0, ones, ...near(eighth, 0)]), -1);
    assert.equal(draw([1 << 30, 0, ones, ...near(eighth, ones), ...zero]), 0);
    // At size 3: offset 1 as well; at size 0: offset -2, e^-1/2; a negative zero is drawn again.
    assert.equal(draw([1 << 30, 0, 0, ones, ...near(eighth, 0)]), 3);
    assert.equal(draw([0, 0, ones, ...near(half, 0)]), 0);
    assert.equal(draw([2 ** 31, 0, ones, 1 << 30, 0, ones, 0]), 1);
  }
});

Deno.test("a last coin whose chance no double holds is still decided exactly", () => {
  // v = 1/4, t = 1: at size 40 the chance is e^-3160, and only a uniform number of zeros is below it.
  const turns = new Array<number>(40).fill(0);
  const words = wordsOf([0, 0, ...turns, 0xffffffff, 0]);
  assert.equal(new DiscreteGaussianSampler({ numerator: 1n, denominator: 4n }, words).sample(), 40);
});

Deno.test("the coins of a discrete Gaussian with a fraction for its variance use the fraction", () => {
  // v = 9/2: sigma 2.12, t = 2; at size 1 the offset is 1 - 9/4 = -5/4, so e^-(25/16)/9.
  const coin = exponential(25n, 144n);
  const variance = { numerator: 9n, denominator: 2n };
  for (const words of [1, 3]) {
    const draw = (after: 0 | 0xffffffff) =>
      new DiscreteGaussianSampler(
        variance,
        wordsOf([1 << 30, 0, 0xffffffff, ...wordsNear(coin, words, after), 0, 0, 0xffffffff, 0]),
      ).sample();
    assert.deepEqual([draw(0), draw(0xffffffff)], [1, 0]);
  }
});

Deno.test("samplers take variances and means up to their bounds and no further", () => {
  const gaussian = (numerator: bigint, denominator = 1n) =>
    sampleDiscreteGaussian(new Float64Array(1), { numerator, denominator }, seededBytes(1));
  gaussian(2n ** 52n - 1n);
  gaussian(1n, 10n ** 9n);
  for (const [a, b] of [[2n ** 52n, 1n], [0n, 1n], [1n, 0n], [-1n, 1n], [1n, -1n], [-1n, -1n]]) {
    assert.throws(() => gaussian(a, b), { code: "ConfigError" }, `${a}/${b}`);
  }
  const poisson = (numerator: bigint, denominator = 1n) =>
    new PoissonSampler({ numerator, denominator }, new WordSource(seededBytes(1))).sample();
  poisson(2n ** 21n);
  poisson(1n, 10n ** 9n);
  for (const [a, b] of [[2n ** 21n + 1n, 1n], [0n, 1n], [1n, 0n], [-1n, 1n], [1n, -1n], [-1n, -1n]]) {
    assert.throws(() => poisson(a, b), { code: "ConfigError" }, `${a}/${b}`);
  }
});

Deno.test("roundUnit() rounds a thousand times before it gives up, and cuts no coordinate that a unit can have", () => {
  let drawn = 0;
  const counting = (length: number) => {
    drawn++;
    return seededBytes(drawn)(length);
  };
  assert.throws(() => roundUnit(new Float64Array(4).fill(9), 50, counting), { code: "InternalError" });
  assert.equal(drawn, 1000);
  const { integers } = roundUnit(Float64Array.of(1, 0, 0, 0), 1_000_000, seededBytes(1));
  assert.deepEqual([...integers], [1_000_000, 0, 0, 0]);
});

Deno.test("WordSource asks for 32768 bytes at a time and wipes each word that it has given", () => {
  const asked: number[] = [];
  const words = new WordSource((length) => (asked.push(length), new Uint8Array(length).fill(255)));
  assert.deepEqual(asked, []);
  for (let i = 0; i < 8192; i++) assert.equal(words.word(), 0xffffffff);
  assert.deepEqual(asked, [32_768]);
  words.word();
  assert.deepEqual(asked, [32_768, 32_768]);
  assert.equal(words.integer53(), 2 ** 53 - 1);
  assert.throws(() => new WordSource((length) => new Uint8Array(length + 1)).word(), {
    code: "InternalError",
  });
});
