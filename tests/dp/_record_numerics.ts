import {
  betaRegularized,
  bisect,
  erf,
  erfc,
  goldenSection,
  inverseRealTransform,
  logAdd,
  logBinomial,
  logGamma,
  logNormalCdf,
  normalQuantile,
  realTransform,
} from "../../src/dp/numerics/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import type { Figures } from "./_record.ts";

/** Around the seams of the fits at 0.46875, 4 and 27, and between. */
const POINTS = [
  1e-12,
  0.05,
  0.3,
  0.468,
  0.46875,
  0.469,
  0.7,
  1.1,
  2,
  3.3,
  3.9999,
  4,
  4.0001,
  6,
  12.7,
  26.9,
  27,
  27.1,
];
const PROBABILITIES = [
  1e-300,
  1e-40,
  1e-9,
  1e-3,
  0.0199999,
  0.02,
  0.0200001,
  0.1,
  0.35,
  0.5,
  0.7,
  0.98,
  1 - 1e-9,
];
const ORDERS = [0.01, 0.5, 1.25, 2.5, 3.3, 7, 11.999, 12, 12.001, 40, 1e3, 1e7];

/** A mixture of decays with a long tail: no symmetry hides a wrong sign. */
function signal(n: number): Float64Array {
  const random = new SeededRandom(n);
  return new Float64Array(n).map((_, i) => random.next() * Math.exp(-i / 9));
}

/** The functions under both accountants, to the last bit. */
export const FIGURES: Figures = {
  "the error function": () => POINTS.map((x) => [erf(x), erf(-x), erfc(x), erfc(-x)]),
  "the log of the normal distribution": () =>
    [...POINTS, 0.99, 1, 1.01, 80, 1e4].map((x) => [logNormalCdf(x), logNormalCdf(-x)]),
  "quantiles of the normal distribution": () => PROBABILITIES.map(normalQuantile),
  "the log of the gamma function": () => ORDERS.map(logGamma),
  "the log of binomial coefficients": () =>
    [[5, 0], [5, 1], [5, 5], [5.5, 2], [1e6, 3], [700, 350]].map(([n, k]) => logBinomial(n, k)),
  "the incomplete beta function": () =>
    [0, 1e-9, 0.01, 0.3, 0.5, 0.8, 0.999, 1].map((x) =>
      [[1, 1], [0.5, 3], [20, 4], [300, 700], [1e5, 2]].map(([a, b]) => betaRegularized(x, a, b))
    ),
  "sums in the logarithm": () =>
    [[0, 0], [-3, 2], [700, 690], [-1e5, -1e5 - 30]].map(([a, b]) => logAdd(a, b)),
  "the searches": () => [
    bisect(0, 1, 1e-9, (x) => x * x >= 0.37),
    bisect(0, 1, 0, (x) => x * x >= 0.37),
    goldenSection(1, 4, 12, (x) => x + 4 / x),
    goldenSection(1, 4, 0, () => 1),
    goldenSection(1, 4, 5, () => 1),
  ],
  "transforms": () =>
    [4, 8, 16, 32].map((n) => {
      const { re, im } = realTransform(signal(n));
      return [[...re], [...im], [...inverseRealTransform({ re, im })]];
    }),
};
