import { bisect, logNormalCdf, normalCdf } from "../numerics/mod.ts";

/**
 * Exact delta of a Gaussian mechanism at epsilon: Phi(mu/2 - e/mu) - e^e Phi(-mu/2 - e/mu).
 * Source: Balle and Wang 2018, Theorem 8.
 * @param mu sensitivity over standard deviation; sqrt(T)/sigma for T compositions
 */
export function gaussianDelta(mu: number, epsilon: number): number {
  const first = logNormalCdf(mu / 2 - epsilon / mu);
  const second = epsilon + logNormalCdf(-mu / 2 - epsilon / mu);
  // The two terms are close together for small mu: take their difference in the logarithm.
  return second >= first ? 0 : Math.exp(first) * -Math.expm1(second - first);
}

/** Smallest epsilon >= 0 at which a Gaussian mechanism is (epsilon, delta)-DP, rounded up. */
export function gaussianEpsilon(mu: number, delta: number): number {
  // delta(0) is the total variation, computed as a difference that keeps its digits.
  if (normalCdf(mu / 2) - normalCdf(-mu / 2) <= delta) return 0;
  let high = 1;
  while (gaussianDelta(mu, high) > delta) high *= 2;
  return bisect(0, high, high * 1e-15, (epsilon) => gaussianDelta(mu, epsilon) <= delta)[1];
}
