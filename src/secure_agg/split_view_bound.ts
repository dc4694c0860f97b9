import { FedKimError } from "../formats/errors.ts";

/** A round on the full graph in a profile without the signed survivor round. */
export interface SplitViewCohort {
  /** Number n of sites that shared keys. */
  readonly n: number;
  /** Smallest number of survivors that a site accepts. */
  readonly nMin: number;
  /** Sharing threshold t. */
  readonly threshold: number;
  /** Number c of sites that collude with the server. */
  readonly colluders: number;
}

/**
 * Honest inputs that are in every sum a lying server can unmask by showing different survivor sets to different sites:
 * n - floor((n - c)(n - nMin) / (t - c)) - c. Each of the n - c honest sites accepts at most n - nMin peers as dropped,
 * and t - c honest votes are needed to treat one site as dropped. Views of U1 may be split too: leaving a site out of the
 * masks of a cluster takes t - c honest sites that hold, and release shares for, the same U1 without it. On the full
 * graph in `default`, noise must be sized for this number; in `strict` split views are refused and nMin - c holds.
 * @throws FedKimError ConfigError unless 0 <= c < t <= nMin <= n
 */
export function worstLegalSplit({ n, nMin, threshold, colluders }: SplitViewCohort): number {
  const ordered = 0 <= colluders && colluders < threshold && threshold <= nMin && nMin <= n;
  if (!ordered || ![n, nMin, threshold, colluders].every(Number.isSafeInteger)) {
    throw new FedKimError("ConfigError", "The split-view bound is not defined for this cohort.", {
      found: `n = ${n}, nMin = ${nMin}, threshold = ${threshold}, colluders = ${colluders}`,
      needed: "integers with 0 <= colluders < threshold <= nMin <= n",
    });
  }
  const droppable = Math.floor(((n - colluders) * (n - nMin)) / (threshold - colluders));
  return Math.max(0, n - droppable - colluders);
}
