import { logBinomial } from "../numerics/mod.ts";
import { logRatioMoment } from "./_mixture.ts";

/** RDP of the Gaussian mechanism at `order`: order / (2 sigma^2). Source: Mironov 2017, Proposition 7. */
export function gaussianRdp(order: number, sigma: number): number {
  return order / (2 * sigma * sigma);
}

/**
 * RDP of the Poisson-sampled Gaussian at `order`, exact up to rounding; the remove direction dominates.
 * Integer orders by the binomial sum, others by quadrature, both for A - 1 so that tiny losses keep their
 * digits. Source: Mironov, Talwar, Zhang 2019, equations 3 and 4.
 */
export function sampledGaussianRdp(order: number, q: number, sigma: number): number {
  if (q === 0) return 0;
  if (q === 1) return gaussianRdp(order, sigma);
  const logMoment = Number.isInteger(order)
    ? integerLogMoment(order, q, sigma)
    : logRatioMoment(order, [{ weight: 1 - q, mean: 0 }, { weight: q, mean: 1 / sigma }]);
  return logMoment / (order - 1);
}

/** ln A, with A - 1 = sum over i >= 2 of C(n, i) (1-q)^{n-i} q^i (e^{(i^2-i) / (2 sigma^2)} - 1). */
function integerLogMoment(n: number, q: number, sigma: number): number {
  const rate = 1 / (2 * sigma * sigma);
  const logQ = Math.log(q);
  const logRest = Math.log1p(-q);
  const terms = new Float64Array(n + 1);
  let high = -Infinity;
  for (let i = 2; i <= n; i++) {
    const growth = (i * i - i) * rate;
    const logGrowth = growth > 40 ? growth + Math.log1p(-Math.exp(-growth)) : Math.log(Math.expm1(growth));
    terms[i] = logBinomial(n, i) + (n - i) * logRest + i * logQ + logGrowth;
    high = Math.max(high, terms[i]);
  }
  let sum = 0;
  for (let i = 2; i <= n; i++) sum += Math.exp(terms[i] - high);
  const logExcess = high + Math.log(sum);
  return logExcess > 700 ? logExcess : Math.log1p(Math.exp(logExcess));
}
