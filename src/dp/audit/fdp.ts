import { gaussianDelta, type PrivacyCurvePoint } from "../accounting/mod.ts";
import { bisect, normalCdf, normalQuantile } from "../numerics/mod.ts";
import { checkCounts, checkSignificance, type GuessCounts, largestRejected } from "./counts.ts";

/**
 * A claimed trade-off curve f, as the inverse of x -> 1 - f(x): the least false-positive rate at which a
 * test may reach the true-positive rate `power`.
 */
export type ClaimedCurve = (power: number) => number;

/** The claim of mu-Gaussian DP. */
export function gaussianClaim(mu: number): ClaimedCurve {
  return (power) => {
    if (power <= 0) return 0;
    return power >= 1 ? 1 : normalCdf(normalQuantile(power) - mu);
  };
}

/**
 * The claim made by an accountant's curve delta(epsilon). Every point says f(x) >= 1 - delta - e^eps x and
 * f(x) >= e^-eps (1 - delta - x); solved for the least x with f(x) <= 1 - power, and the worst taken.
 */
export function curveClaim(curve: readonly PrivacyCurvePoint[]): ClaimedCurve {
  return (power) => {
    if (power <= 0) return 0;
    let rate = 0;
    for (const { epsilon, delta } of curve) {
      const steep = (power - delta) * Math.exp(-epsilon);
      const flat = 1 - delta - (1 - power) * Math.exp(epsilon);
      rate = Math.max(rate, steep, flat);
    }
    return Math.min(1, rate);
  };
}

/**
 * True where the guesses refute the claimed curve at this significance. Source: Mahloujifar, Melis,
 * Chaudhuri 2024, Algorithm 3 (bounds r and h on right and wrong guesses, swept downward).
 */
export function fdpRejects(counts: GuessCounts, claim: ClaimedCurve, significance: number): boolean {
  checkCounts(counts);
  const { canaries, guesses, correct } = counts;
  let right = (significance * correct) / canaries;
  let wrong = (significance * (guesses - correct)) / canaries;
  for (let i = correct - 1; i >= 0; i--) {
    const raised = Math.max(wrong, claim(right));
    // Once the bound on wrong guesses does not move, nothing moves any more.
    if (raised === wrong) break;
    right = Math.min(1, right + (i / (guesses - i)) * (raised - wrong));
    wrong = raised;
  }
  return right + wrong > guesses / canaries;
}

/**
 * p-value of a claimed curve: the smallest significance at which the guesses refute it, rounded up; at most
 * 1.
 */
export function fdpPValue(counts: GuessCounts, claim: ClaimedCurve): number {
  if (!fdpRejects(counts, claim, 1)) return 1;
  const log = bisect(-80, 0, 1e-6, (power) => fdpRejects(counts, claim, Math.exp(power)))[1];
  return Math.exp(log);
}

/**
 * Lower bound on epsilon at `delta` with confidence 1 - significance, within the Gaussian family of claims.
 */
export function fdpEpsilon(counts: GuessCounts, delta: number, significance: number): number {
  checkCounts(counts);
  checkSignificance(significance);
  return largestRejected((epsilon) =>
    fdpRejects(counts, gaussianClaim(gaussianMu(epsilon, delta)), significance)
  );
}

/** mu of the Gaussian mechanism that is exactly (epsilon, delta)-DP. */
function gaussianMu(epsilon: number, delta: number): number {
  return bisect(0, 1e4, 1e-13, (mu) => gaussianDelta(mu, epsilon) > delta)[0];
}
