import { FedKimError } from "../../formats/errors.ts";
import type { RandomBytes } from "../../formats/random_bytes.ts";
import { roundToRing } from "./ring.ts";

/**
 * Tries of the conditional rounding before something must be wrong: e^{-1/2} of them fail at the default
 * beta.
 */
const MAX_TRIES = 1000;

/**
 * Bound on the L2 norm after unbiased rounding of a vector of norm at most `scaledClip`, conditioned on an
 * event of probability at least 1 - beta. Source: Kairouz, Liu, Steinke 2021, Theorem 1.
 */
export function roundedNormBound(scaledClip: number, dimension: number, beta: number): number {
  const worst = scaledClip + Math.sqrt(dimension);
  if (!(beta > 0)) return worst;
  const deviation = Math.sqrt(2 * Math.log(1 / beta)) * (scaledClip + Math.sqrt(dimension) / 2);
  return Math.min(worst, Math.sqrt(scaledClip * scaledClip + dimension / 4 + deviation));
}

/** Exact sum of squares of integers below 2^31 in size. */
export function integerSquaredNorm(vector: ArrayLike<number>): bigint {
  let total = 0n;
  let part = 0;
  for (let i = 0; i < vector.length; i++) {
    const square = vector[i] * vector[i];
    if (square > 2 ** 52) {
      total += BigInt(vector[i]) * BigInt(vector[i]);
    } else if (part + square > Number.MAX_SAFE_INTEGER) {
      total += BigInt(part);
      part = square;
    } else {
      part += square;
    }
  }
  return total + BigInt(part);
}

/**
 * Rounds one unit's vector so that its integer norm, checked exactly, is at most the bound of {@link
 * roundedNormBound}: rounding is repeated until it is. For releases in which every unit is rounded by
 * itself.
 * @param vector norm at most 1
 * @param scale grid units per 1
 */
export function roundUnit(
  vector: Float64Array,
  scale: number,
  randomBytes: RandomBytes,
  beta: number = Math.exp(-0.5),
): { readonly integers: Int32Array; readonly normBound: number } {
  const normBound = roundedNormBound(scale, vector.length, beta);
  const square = BigInt(Math.floor(normBound * normBound));
  for (let i = 0; i < MAX_TRIES; i++) {
    const integers = new Int32Array(roundToRing(vector, scale, 2 ** 31 - 1, randomBytes).buffer);
    if (integerSquaredNorm(integers) <= square) return { integers, normBound };
  }
  throw new FedKimError("InternalError", "A unit's vector could not be rounded within its bound.", {
    needed: "a vector of norm at most 1",
  });
}
