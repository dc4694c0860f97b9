import { FedKimError } from "../../formats/errors.ts";

/** Outcome of a one-run audit: how many canaries, how many guesses on them, how many right. */
export interface GuessCounts {
  /** Canaries, each in or out by a fair coin. */
  readonly canaries: number;
  /** Guesses made; the other canaries are abstained from. */
  readonly guesses: number;
  /** Guesses that were right. */
  readonly correct: number;
}

/** Refuses counts that no audit can have. */
export function checkCounts({ canaries, guesses, correct }: GuessCounts): void {
  const whole = [canaries, guesses, correct].every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!whole || guesses > canaries || correct > guesses || canaries === 0) {
    throw new FedKimError("ConfigError", "The counts of the audit are not valid.", {
      found: `${correct} right of ${guesses} guesses on ${canaries} canaries`,
      needed: "correct <= guesses <= canaries, integers, at least one canary",
    });
  }
}

/** Refuses a significance outside of (0, 1). */
export function checkSignificance(significance: number): void {
  if (!(significance > 0 && significance < 1)) {
    throw new FedKimError("ConfigError", "The significance of the audit is not valid.", {
      found: `${significance}`,
      needed: "a number above 0 and below 1",
    });
  }
}

/**
 * Largest epsilon that a test rejects, found by doubling and halving; 0 where it does not even reject 0.
 * @param rejects true for every epsilon up to the answer
 */
export function largestRejected(rejects: (epsilon: number) => boolean): number {
  if (!rejects(0)) return 0;
  let low = 0;
  let high = 1;
  while (rejects(high) && high < 1e4) [low, high] = [high, 2 * high];
  while (high - low > 1e-7) {
    const middle = (low + high) / 2;
    if (rejects(middle)) low = middle;
    else high = middle;
  }
  return low;
}
