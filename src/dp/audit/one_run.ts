import { betaRegularized, binomialUpperTail, bisect } from "../numerics/mod.ts";
import { checkCounts, checkSignificance, type GuessCounts, largestRejected } from "./counts.ts";

/**
 * p-value of the claim (epsilon, delta) after a one-run audit: the chance of at least so many right guesses.
 * Source: Steinke, Nasr, Jagielski 2023, Theorem 5.2 and Appendix D.
 */
export function oneRunPValue(counts: GuessCounts, epsilon: number, delta: number): number {
  checkCounts(counts);
  const { canaries, guesses, correct } = counts;
  const q = 1 / (1 + Math.exp(-epsilon));
  const beta = binomialUpperTail(guesses, q, correct);
  if (delta === 0) return beta;
  let alpha = 0;
  for (let i = 1; i <= correct; i++) {
    alpha = Math.max(alpha, (binomialUpperTail(guesses, q, correct - i) - beta) / i);
  }
  return Math.min(1, beta + 2 * canaries * delta * alpha);
}

/** Lower bound on epsilon at `delta` with confidence 1 - significance; 0 where nothing is refuted. */
export function oneRunEpsilon(counts: GuessCounts, delta: number, significance: number): number {
  checkCounts(counts);
  checkSignificance(significance);
  return largestRejected((epsilon) => oneRunPValue(counts, epsilon, delta) < significance);
}

/** Upper confidence bound of a binomial share, k of n. Source: Clopper and Pearson 1934. */
export function clopperPearsonUpper(k: number, n: number, significance: number): number {
  checkCounts({ canaries: n, guesses: n, correct: k });
  checkSignificance(significance);
  if (k === n) return 1;
  return bisect(0, 1, 1e-16, (p) => betaRegularized(p, k + 1, n - k) >= 1 - significance)[1];
}
