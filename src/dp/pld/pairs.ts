/**
 * Tail probabilities of the privacy loss L = ln(dP/dQ) at one loss l, both sides, so that small tails keep
 * their relative accuracy: P(L <= l), P(L > l), Q(L <= l), Q(L > l).
 */
export interface Tails {
  /** P(L <= l). */
  pBelow: number;
  /** P(L > l). */
  pAbove: number;
  /** Q(L <= l). */
  qBelow: number;
  /** Q(L > l). */
  qAbove: number;
}

/** A dominating pair (P, Q) through the distribution of its privacy loss. */
export interface ContinuousPair {
  /** Tag. */
  readonly kind: "continuous";
  /** True where the tails at one loss take microseconds rather than nanoseconds. */
  readonly costly?: boolean;
  /** [low, high] with P(L > high), P(L < low) and the same under Q of at most `tail` each. */
  range(tail: number): readonly [number, number];
  /** Writes the tail probabilities at `loss` into `out`. */
  tails(loss: number, out: Tails): void;
}

/** A dominating pair on finitely many outcomes. */
export interface AtomicPair {
  /** Tag. */
  readonly kind: "atomic";
  /** Privacy loss of each outcome. */
  readonly losses: Float64Array;
  /** P of each outcome. */
  readonly masses: Float64Array;
  /** P of the outcomes with infinite loss. */
  readonly infinityMass: number;
}

/** A dominating pair of either kind. */
export type LossPair = ContinuousPair | AtomicPair;

/** Both neighbouring directions of one mechanism; `add` is absent where it equals `remove`. */
export interface Directions {
  /** The dataset with the unit against the one without it. */
  readonly remove: LossPair;
  /** The reverse. */
  readonly add?: LossPair;
}

/** Upper bound of the standard normal quantile at 1 - tail: Pr[Z > sqrt(2 ln(1/tail))] <= tail. */
export function normalReach(tail: number): number {
  return Math.sqrt(-2 * Math.log(tail));
}

/** Room for the answers of `tails`: what is read before it was written shows itself. */
export function unknownTails(): Tails {
  return { pBelow: NaN, pAbove: NaN, qBelow: NaN, qAbove: NaN };
}
