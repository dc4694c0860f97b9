import {
  adaptiveClipEvent,
  addClippedUnit,
  addDiscreteGaussian,
  addSkellam,
  clipFactor,
  drawInclusion,
  expMinusBounds,
  gradientNoiseMultiplier,
  nextClipBound,
  normUpperBound,
  paddedLength,
  poissonSample,
  PoissonSampler,
  type Rational,
  rotate,
  roundedNormBound,
  roundToRing,
  roundUnit,
  sampleDiscreteGaussian,
  samplingThreshold,
  unrotate,
  WordSource,
} from "../../src/dp/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { seededBytes } from "./_helpers.ts";
import { bitsOf, type Figures } from "./_record.ts";

const normals = (seed: number, n: number): Float64Array => {
  const random = new SeededRandom(seed);
  return new Float64Array(n).map(() => random.normal());
};
/** A Poisson draw from a uniform number of 149 bits, ones after them, and how many words it read. */
function poissonDraw(mean: Rational, uniform: bigint): { value: number; words: number } {
  const bits = (from: bigint, count: bigint) =>
    Number((uniform >> (149n - from - count)) & ((1n << count) - 1n));
  const given = [bits(0n, 27n) * 32, bits(27n, 26n) * 64, bits(53n, 32n), bits(85n, 32n), bits(117n, 32n)];
  let words = 0;
  const source = new WordSource((length) => new Uint8Array(length));
  source.word = () => given[words++] ?? 0xffffffff;
  source.integer53 = () => (source.word() >>> 5) * 2 ** 26 + (source.word() >>> 6);
  const value = new PoissonSampler(mean, source).sample();
  return { value, words };
}

/** First and last uniform number, in 149 bits, around the step above k at which a draw reads more than `words`. */
function undecided(mean: Rational, k: number, words: number): string[] {
  const edge = (low: bigint, high: bigint, holds: (uniform: bigint) => boolean): bigint => {
    while (high - low > 1n) {
      const middle = (low + high) / 2n;
      if (holds(middle)) high = middle;
      else low = middle;
    }
    return high;
  };
  const reads = (uniform: bigint) => poissonDraw(mean, uniform);
  const all = 1n << 149n;
  const first = edge(
    0n,
    all - 1n,
    (u) => reads(u).value > k || (reads(u).value === k && reads(u).words > words),
  );
  const end = edge(
    0n,
    all - 1n,
    (u) => reads(u).value > k + 1 || (reads(u).value === k + 1 && reads(u).words <= words),
  );
  return [first, end - 1n].map((uniform) => uniform.toString(16));
}

const over = (numerator: bigint, denominator = 1n) => ({ numerator, denominator });

/** Draws and encodings, bit by bit: another sampler of the same distribution would take other bytes. */
export const FIGURES: Figures = {
  ...Object.fromEntries(
    [
      over(1n, 9n),
      over(1n, 4n),
      over(1n),
      over(2n),
      over(8n),
      over(22n, 7n),
      over(123_457n, 3n),
      over(1n << 50n),
    ]
      .map((variance) => [
        `discrete Gaussian of variance ${variance.numerator}/${variance.denominator}`,
        () => {
          const out = new Float64Array(3000);
          sampleDiscreteGaussian(out, variance, seededBytes(31));
          return [bitsOf(out), ...out.subarray(0, 8)];
        },
      ]),
  ),
  "a ring with discrete Gaussian noise added": () => {
    const ring = new Uint32Array(500).map((_, i) => 0xffffff00 + i);
    addDiscreteGaussian(ring, over(50_000n), seededBytes(32));
    return bitsOf(ring);
  },
  ...Object.fromEntries(
    [over(1n, 10n), over(3n, 2n), over(20n), over(2001n, 2n), over(1n << 21n)].map((mean) => [
      `Poisson of mean ${mean.numerator}/${mean.denominator}`,
      () => {
        const sampler = new PoissonSampler(mean, new WordSource(seededBytes(33)));
        return bitsOf(new Float64Array(1000).map(() => sampler.sample()));
      },
    ]),
  ),
  "where a Poisson draw needs more than its first words": () =>
    ([[over(1n, 10n), 0], [over(3n, 2n), 0], [over(3n, 2n), 3], [over(20n), 17], [over(60n), 71], [
      over(400n),
      385,
    ]] as const)
      .flatMap(
        ([mean, k]) => [undecided(mean, k, 2), undecided(mean, k, 5)],
      ),
  "Skellam noise": () => {
    const ring = new Uint32Array(400);
    addSkellam(ring, over(77n, 3n), seededBytes(34));
    return bitsOf(ring);
  },
  "a Poisson sample": () => poissonSample(Array.from({ length: 60 }, (_, i) => i), 0.3, seededBytes(35)),
  "thresholds of sampling": () => [1, 0.5, 1e-9, 1 / 3, 2 ** -53].map(samplingThreshold),
  "an inclusion": () => drawInclusion(64, seededBytes(36)).map(Number).join(""),
  "bounds of e^-x": () =>
    ([[1n, 3n, 64n], [9n, 2n, 96n], [1000n, 1n, 32n], [2n, 1n, 128n]] as const).map(([a, b, bits]) => {
      const { low, high } = expMinusBounds(a, b, bits);
      return `${low} ${high}`;
    }),
  "53 bits from two words": () => {
    const words = new WordSource(seededBytes(37));
    return Array.from({ length: 4 }, () => words.integer53());
  },
  "rounding to the ring": () => bitsOf(roundToRing(normals(1, 700), 2.5, 3, seededBytes(38))),
  "a unit rounded to integers": () => {
    const unit = normals(2, 300);
    const norm = Math.hypot(...unit);
    const { integers, normBound } = roundUnit(unit.map((x) => x / norm), 40, seededBytes(39));
    return [bitsOf(integers), normBound];
  },
  "bounds of rounded norms": () =>
    [[10, 16, 0.5], [10, 16, 1e-9], [1000, 4, 0.9], [3, 1e6, 0.1], [10, 16, 0], [10, 16, -1]].map((
      [c, d, beta],
    ) => roundedNormBound(c, d, beta)),
  "rotations": () =>
    [1, 2, 3, 16, 100, 20_000, 40_000].map((n) => bitsOf(rotate(normals(n, n), `seed ${n}`))),
  "rotations undone": () =>
    [1, 3, 100].map((n) => bitsOf(unrotate(rotate(normals(n, n), "seed"), "seed", n))),
  "padded lengths": () => [0, 1, 2, 3, 4, 5, 1024, 1025].map(paddedLength),
  "bounds of norms": () =>
    [[1, 1], [2, 100], [1e-12, 1_000_000], [0, 5]].map(([square, d]) =>
      (normUpperBound(square, d) - Math.sqrt(square)) * 1e10
    ),
  "clip factors": () =>
    [[1, 1, 2], [4, 1, 2], [4, 1, 2.000001], [9, 10, 1], [1e300, 3, 1], [0, 0, 1]].map(([square, d, bound]) =>
      clipFactor(square, d, bound)
    ),
  "a sum of clipped units": () => {
    const sum = new Float64Array(50);
    for (let unit = 0; unit < 6; unit++) addClippedUnit(sum, normals(unit, 50), unit + 4);
    return bitsOf(sum);
  },
  "adaptive clipping": () => {
    const clip = {
      noiseMultiplier: 1.1,
      countStddev: 3,
      targetQuantile: 0.6,
      learningRate: 0.3,
      expectedUnits: 40,
    };
    return [
      gradientNoiseMultiplier(1.1, 3),
      adaptiveClipEvent(clip, 0.1),
      ...[-20, 0, 4, 20, 1e6, -1e6].map((count) => nextClipBound(2, count, clip)),
    ];
  },
};
