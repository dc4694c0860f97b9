import { logAdd, logBinomial } from "../numerics/mod.ts";
import { gaussianRdp } from "./gaussian.ts";

/** Orders above this use the coarser bound of the higher moments. */
const EXACT_ORDERS = 256;

/**
 * ln E[(r - 1)^j] for even j, r = e^{x/sigma - 1/(2 sigma^2)}, x standard normal: trapezoid rule, all terms
 * positive.
 */
function logCentralMoment(j: number, sigma: number): number {
  const mean = 1 / sigma;
  const step = Math.min(0.1, 0.5 / mean);
  const nodes = Math.ceil((j * mean + 28) / step);
  let scale = -Infinity;
  let sum = 0;
  for (let i = 0; i <= nodes; i++) {
    const x = -14 + i * step;
    const gap = Math.abs(Math.expm1(mean * x - (mean * mean) / 2));
    const logTerm = (gap === Infinity ? j * (mean * x - (mean * mean) / 2) : j * Math.log(gap)) - (x * x) / 2;
    if (logTerm > scale) {
      sum = sum * Math.exp(scale - logTerm) + 1;
      scale = logTerm;
    } else {
      sum += Math.exp(logTerm - scale);
    }
  }
  return scale + Math.log(sum * step) - 0.5 * Math.log(2 * Math.PI);
}

/**
 * RDP curve of the Gaussian mechanism on a sample without replacement, one unit replaced.
 * Integer orders by Theorem 27, others by convexity of the cumulant (Corollary 10) of Wang, Balle,
 * Kasiviswanathan 2019.
 * @param q sample size over dataset size
 * @param sigma standard deviation over the replace-one sensitivity
 */
export function withoutReplacementRdp(q: number, sigma: number): (order: number) => number {
  const moments = new Map<number, number>();
  const moment = (j: number): number => {
    const known = moments.get(j) ?? logCentralMoment(j, sigma);
    moments.set(j, known);
    return known;
  };
  const cumulants = new Map<number, number>();
  const cumulant = (order: number): number => {
    if (order <= 1) return 0;
    let sum = cumulants.get(order);
    if (sum !== undefined) return sum;
    const square = 1 / (sigma * sigma);
    const two = Math.min(Math.log(4) + Math.log(Math.expm1(square)), square + Math.LN2);
    sum = logAdd(0, 2 * Math.log(q) + logBinomial(order, 2) + two);
    for (let j = 3; j <= order; j++) {
      const coarse = Math.LN2 + (j - 1) * gaussianRdp(j, sigma);
      const fine = order <= EXACT_ORDERS
        ? Math.log(4) + 0.5 * (moment(2 * Math.floor(j / 2)) + moment(2 * Math.ceil(j / 2)))
        : Infinity;
      sum = logAdd(sum, j * Math.log(q) + logBinomial(order, j) + Math.min(fine, coarse));
    }
    cumulants.set(order, sum);
    return sum;
  };
  return (order) => {
    if (q === 1) return gaussianRdp(order, sigma);
    const below = Math.floor(order);
    const share = order - below;
    return ((1 - share) * cumulant(below) + (share > 0 ? share * cumulant(below + 1) : 0)) / (order - 1);
  };
}
