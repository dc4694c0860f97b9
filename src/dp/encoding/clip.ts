import { FedKimError } from "../../formats/errors.ts";

/** A vector of float32 or float64 numbers. */
export type FloatVector = Float32Array | Float64Array;

/** What clipping did to one unit's gradient; private, never to be released or logged. */
export interface ClipOutcome {
  /** The gradient had a value that is not finite and was replaced by zero. */
  readonly nonFinite: boolean;
  /** The gradient was longer than the bound. */
  readonly clipped: boolean;
}

/** Sum of squares in double precision; not finite where the vector is not, or beyond 1e308. */
export function squaredNorm(vector: FloatVector): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += vector[i] * vector[i];
  return sum;
}

/**
 * Upper bound of the norm: the rounding of `dimension` products and sums is added before the root is taken.
 */
export function normUpperBound(square: number, dimension: number): number {
  return Math.sqrt(square * (1 + (dimension + 8) * 2 ** -52)) * (1 + 2 ** -51);
}

/**
 * Factor that brings a gradient to norm <= maxGradNorm: min(1, C / norm), rounded down; 0 where the norm is
 * not finite. Source: Abadi et al. 2016, Algorithm 1.
 * @param square the squared norm, accumulated in double precision or bounded from above
 * @param dimension number of terms in that sum
 * @throws FedKimError ConfigError for a bound that is not positive
 */
export function clipFactor(square: number, dimension: number, maxGradNorm: number): number {
  if (!(maxGradNorm > 0 && maxGradNorm < Infinity) || !(dimension >= 0)) {
    throw new FedKimError("ConfigError", "The clip bound is not valid.", {
      found: `maxGradNorm = ${maxGradNorm}, dimension = ${dimension}`,
      needed: "a finite bound above 0 and a number of coordinates",
    });
  }
  if (!(square >= 0 && square < Infinity)) return 0;
  const norm = normUpperBound(square, dimension);
  return norm <= maxGradNorm ? 1 : (maxGradNorm / norm) * (1 - 2 ** -50);
}

/**
 * Adds clip_C(gradient) / C to `sum`, so that one unit moves the sum by at most 1 in L2 norm.
 * @param gradient the unit's gradient summed over all of its records in this step, as long as `sum`
 * @throws FedKimError ConfigError for another length or a bound that is not positive
 */
export function addClippedUnit(sum: Float64Array, gradient: FloatVector, maxGradNorm: number): ClipOutcome {
  if (gradient.length !== sum.length) {
    throw new FedKimError("ConfigError", "A gradient does not have the length of the sum.", {
      found: `${gradient.length} coordinates`,
      needed: `${sum.length}`,
    });
  }
  const square = squaredNorm(gradient);
  const factor = clipFactor(square, gradient.length, maxGradNorm);
  if (!Number.isFinite(square)) return { nonFinite: true, clipped: false };
  const weight = factor / maxGradNorm;
  for (let i = 0; i < gradient.length; i++) sum[i] += weight * gradient[i];
  return { nonFinite: false, clipped: factor < 1 };
}
