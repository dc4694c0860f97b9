/**
 * From gradients to integers: clipping per unit, scaling, unbiased rounding, the ring modulo 2^32.
 *
 * Clipping bounds what one unit adds: norms are accumulated in double precision and rounded up, factors are
 * rounded down, so the bound holds for the numbers as stored; gradients that are not finite count as zero.
 * Rounding is unbiased and its effect on the sensitivity is charged by the plan. Secure aggregation gets
 * integers only. For other designs there are per-unit rounding with an exactly checked integer norm, the
 * randomised Hadamard rotation, and clipping that follows a quantile, each with its own event or bound.
 *
 * @module
 */
export { addClippedUnit, clipFactor, normUpperBound, squaredNorm } from "./clip.ts";
export type { ClipOutcome, FloatVector } from "./clip.ts";
export { ringToReal, roundToRing } from "./ring.ts";
export { adaptiveClipEvent, gradientNoiseMultiplier, nextClipBound } from "./adaptive_clip.ts";
export type { AdaptiveClip } from "./adaptive_clip.ts";
export { paddedLength, rotate, unrotate } from "./hadamard.ts";
export { integerSquaredNorm, roundedNormBound, roundUnit } from "./rounding_norm.ts";
