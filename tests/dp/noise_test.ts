import assert from "node:assert/strict";
import {
  addSkellam,
  belowExpMinus,
  expMinusBounds,
  poissonSample,
  PoissonSampler,
  type Rational,
  sampleDiscreteGaussian,
  samplingThreshold,
  WordSource,
} from "../../src/dp/mod.ts";
import { seededBytes } from "./_helpers.ts";

/**
 * Chi-square statistic in units of its standard deviation, cells with fewer than 20 expected merged into
 * the tails.
 */
function chiSquare(samples: ArrayLike<number>, pmf: (x: number) => number): number {
  const counts = new Map<number, number>();
  for (let i = 0; i < samples.length; i++) counts.set(samples[i], (counts.get(samples[i]) ?? 0) + 1);
  let statistic = 0;
  let cells = 0;
  let restSeen = samples.length;
  let restExpected = samples.length;
  for (let x = -200_000; x <= 200_000; x++) {
    const expected = samples.length * pmf(x);
    if (expected < 20) continue;
    const seen = counts.get(x) ?? 0;
    statistic += (seen - expected) ** 2 / expected;
    restSeen -= seen;
    restExpected -= expected;
    cells++;
  }
  if (restExpected > 1) statistic += (restSeen - restExpected) ** 2 / restExpected;
  assert.ok(cells >= 2, "too few cells");
  return (statistic - cells) / Math.sqrt(2 * cells);
}

function discreteGaussianPmf(variance: number): (x: number) => number {
  let sum = 1;
  for (let x = 1; x < 60 * Math.sqrt(variance) + 10; x++) sum += 2 * Math.exp(-(x * x) / (2 * variance));
  return (x) => Math.exp(-(x * x) / (2 * variance)) / sum;
}

const VARIANCES: readonly [Rational, number][] = [
  [{ numerator: 1n, denominator: 4n }, 0.25],
  [{ numerator: 1n, denominator: 1n }, 1],
  [{ numerator: 22n, denominator: 7n }, 22 / 7],
  [{ numerator: 10_000n, denominator: 1n }, 10_000],
];

for (const [variance, value] of VARIANCES) {
  Deno.test(`sampleDiscreteGaussian() has the exact distribution at variance ${value}`, () => {
    const out = new Int32Array(200_000);
    sampleDiscreteGaussian(out, variance, seededBytes(17));
    // A false alarm at 4.5 deviations has a chance below 1e-4; the byte source is fixed.
    const deviation = chiSquare(out, discreteGaussianPmf(value));
    assert.ok(Math.abs(deviation) < 4.5, `${deviation} deviations`);
    // The test sees a variance that is 5 % off.
    assert.ok(chiSquare(out, discreteGaussianPmf(value * 1.05)) > 6);
  });
}

Deno.test("sums of wide discrete Gaussian shares have the variance and the kurtosis of one Gaussian", () => {
  const n = 200_000;
  const shares = 3;
  const sum = new Float64Array(n);
  const share = new Float64Array(n);
  for (let s = 0; s < shares; s++) {
    sampleDiscreteGaussian(share, { numerator: "7338388226", denominator: "1" }, seededBytes(100 + s));
    for (let i = 0; i < n; i++) sum[i] += share[i];
  }
  let second = 0;
  let fourth = 0;
  for (const x of sum) {
    second += x * x;
    fourth += x ** 4;
  }
  const ratio = second / n / (shares * 7338388226);
  // Standard errors: sqrt(2/n) = 0.0032 of the variance, sqrt(24/n) = 0.011 of the kurtosis.
  assert.ok(Math.abs(ratio - 1) < 5 * 0.0032, `${ratio}`);
  assert.ok(Math.abs((fourth / n) / (second / n) ** 2 - 3) < 5 * 0.011);
});

Deno.test("expMinusBounds() encloses exp(-x) tightly at two hundred bits", () => {
  for (const [a, b] of [[0n, 1n], [1n, 1n], [7n, 3n], [1n, 1000n], [300n, 7n]] as const) {
    const { low, high } = expMinusBounds(a, b, 200n);
    assert.ok(low <= high && high - low <= 4n, `${high - low}`);
    const value = Number(low >> 140n) / 2 ** 60;
    assert.ok(Math.abs(value - Math.exp(-Number(a) / Number(b))) < 1e-15);
  }
  // mpmath, 80 digits: floor(exp(-1) 2^200).
  const { low, high } = expMinusBounds(1n, 1n, 200n);
  const exact = 591159469719127790758744807061999149352778335726896066016048n;
  assert.ok(low <= exact && exact <= high, `${low}`);
});

Deno.test("belowExpMinus() reads as many further bits as the decision takes", () => {
  // exp(-1) = 0.5E2D58D8 B3BCDF1A BADEC782 9054F90D...: a prefix equal to its first word is undecided.
  const word = (words: readonly number[]) => {
    let i = 0;
    return () => words[i++];
  };
  assert.equal(belowExpMinus(0x5e2d58d8, 1n, 1n, word([0xb3bcdf19, 0])), true);
  assert.equal(belowExpMinus(0x5e2d58d8, 1n, 1n, word([0xb3bcdf1b, 0])), false);
  assert.equal(belowExpMinus(0x5e2d58d8, 1n, 1n, word([0xb3bcdf1a, 0xbadec781, 0])), true);
  assert.equal(belowExpMinus(0x5e2d58d8, 1n, 1n, word([0xb3bcdf1a, 0xbadec783, 0])), false);
  assert.equal(belowExpMinus(0, 0n, 5n, word([])), true);
});

Deno.test("sampleDiscreteGaussian() refuses variances that do not fit the ring", () => {
  const out = new Int32Array(1);
  for (const numerator of [0n, -1n, 2n ** 53n]) {
    assert.throws(
      () => sampleDiscreteGaussian(out, { numerator, denominator: 1n }, seededBytes(1)),
      { code: "ConfigError" },
    );
  }
});

Deno.test("PoissonSampler has the exact distribution, for small and large means", () => {
  for (const [numerator, denominator] of [[3n, 2n], [20n, 1n], [2000n, 1n]]) {
    const mean = Number(numerator) / Number(denominator);
    const sampler = new PoissonSampler({ numerator, denominator }, new WordSource(seededBytes(5)));
    const out = Array.from({ length: 100_000 }, () => sampler.sample());
    const log = (k: number) => {
      let sum = -mean + k * Math.log(mean);
      for (let i = 2; i <= k; i++) sum -= Math.log(i);
      return sum;
    };
    const pmf = (x: number) => (x < 0 || x > mean + 20 * Math.sqrt(mean) + 20 ? 0 : Math.exp(log(x)));
    const deviation = chiSquare(out, pmf);
    assert.ok(Math.abs(deviation) < 4.5, `${deviation} deviations at mean ${mean}`);
  }
});

Deno.test("PoissonSampler decides by exact arithmetic where a uniform falls onto a step", () => {
  // Mean ln 2 to 60 bits: cdf(0) = 1/2 to 1e-18, so U = 1/2 - tiny and 1/2 + tiny need the exact path.
  const mean = { numerator: 799144290325165979n, denominator: 2n ** 60n };
  const bytesOf = (words: readonly number[]) => (length: number) => {
    const view = new Uint32Array(length / 4);
    view.set(words);
    return new Uint8Array(view.buffer);
  };
  const below = new PoissonSampler(mean, new WordSource(bytesOf([0x7fffffff, 0xffffffff])));
  assert.equal(below.sample(), 0);
  const above = new PoissonSampler(mean, new WordSource(bytesOf([0x80000000, 0x00000040])));
  assert.equal(above.sample(), 1);
});

Deno.test("addSkellam() adds the variance that was asked for, on every coordinate", () => {
  const ring = new Uint32Array(100_000);
  addSkellam(ring, { numerator: 200n, denominator: 1n }, seededBytes(8));
  let square = 0;
  let sum = 0;
  for (const x of ring) {
    sum += x | 0;
    square += (x | 0) ** 2;
  }
  assert.ok(Math.abs(sum / ring.length) < 5 * Math.sqrt(200 / ring.length));
  assert.ok(Math.abs(square / ring.length / 200 - 1) < 5 * Math.sqrt(2.005 / ring.length));
});

Deno.test("poissonSample() takes each unit independently with the rate that is charged, never more", () => {
  const units = Array.from({ length: 50_000 }, (_, i) => i);
  const drawn = poissonSample(units, 0.1, seededBytes(2));
  assert.ok(Math.abs(drawn.length - 5000) < 5 * Math.sqrt(4500));
  assert.deepEqual(drawn, [...drawn].sort((a, b) => a - b));
  for (const q of [0.1, 1 / 3, 1e-9, 0.7]) assert.ok(samplingThreshold(q) / 2 ** 53 <= q);
  assert.equal(poissonSample(units, 1, seededBytes(2)).length, units.length);
  assert.deepEqual(poissonSample([], 0.5, seededBytes(2)), []);
  for (const q of [0, -0.1, 1.1, NaN]) {
    assert.throws(() => poissonSample(units, q, seededBytes(2)), { code: "ConfigError" });
  }
});

Deno.test("WordSource uses every byte once", () => {
  const words = new WordSource(seededBytes(1));
  const bytes = seededBytes(1)(32_768);
  const expected = new Uint32Array(bytes.buffer);
  for (let i = 0; i < expected.length; i++) assert.equal(words.word(), expected[i]);
});

Deno.test("a source that gives too few bytes is refused: zeros would be noise that everybody knows", () => {
  for (const length of [0, 1, 32_767]) {
    assert.throws(() => new WordSource(() => new Uint8Array(length)).word(), { code: "InternalError" });
    assert.throws(() => poissonSample([1, 2], 0.5, () => new Uint8Array(length)), { code: "InternalError" });
  }
});
