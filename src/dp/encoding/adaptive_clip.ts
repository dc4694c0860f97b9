import { FedKimError } from "../../formats/errors.ts";
import type { DpEvent } from "../events/mod.ts";

/** Parameters of quantile-based adaptive clipping. */
export interface AdaptiveClip {
  /** Noise multiplier z that the gradients and the count are worth together. */
  readonly noiseMultiplier: number;
  /** Standard deviation of the noise on the shifted count sum(b - 1/2). */
  readonly countStddev: number;
  /** Quantile of the gradient norms that the bound follows. */
  readonly targetQuantile: number;
  /** Geometric learning rate. */
  readonly learningRate: number;
  /** Public expected number of units in a step: the true number is private. */
  readonly expectedUnits: number;
}

/**
 * Noise multiplier left for the gradients: (z^-2 - (2 sigma_b)^-2)^(-1/2), since the shifted count has
 * sensitivity 1/2. Source: Andrew, Thakkar, McMahan, Ramaswamy 2021, Theorem 1.
 * @throws FedKimError ConfigError where the count alone would cost more than z
 */
export function gradientNoiseMultiplier(noiseMultiplier: number, countStddev: number): number {
  const precision = noiseMultiplier ** -2 - (2 * countStddev) ** -2;
  if (!(precision > 0) || !(noiseMultiplier > 0) || !(countStddev > 0)) {
    throw new FedKimError("ConfigError", "The noise of adaptive clipping is not possible.", {
      found: `noise multiplier ${noiseMultiplier}, count deviation ${countStddev}`,
      needed: "a count deviation above half of the noise multiplier",
      remedy: "put more noise on the count",
    });
  }
  return precision ** -0.5;
}

/** The event of one step with adaptive clipping: both releases, on one Poisson sample. */
export function adaptiveClipEvent(clip: AdaptiveClip, samplingRate: number): DpEvent {
  const sigma = gradientNoiseMultiplier(clip.noiseMultiplier, clip.countStddev);
  return {
    type: "poisson",
    q: samplingRate,
    event: {
      type: "composed",
      events: [{ type: "gaussian", sigma }, { type: "gaussian", sigma: 2 * clip.countStddev }],
    },
  };
}

/**
 * Next clip bound: C exp(-eta (b - gamma)), b the noised share of units at or below C.
 * @param noisedShiftedCount sum over units of (1 if norm <= C else 0) - 1/2, plus noise of `countStddev`
 */
export function nextClipBound(maxGradNorm: number, noisedShiftedCount: number, clip: AdaptiveClip): number {
  const share = noisedShiftedCount / clip.expectedUnits + 0.5;
  const next = maxGradNorm * Math.exp(-clip.learningRate * (share - clip.targetQuantile));
  // The release may be anything; the bound must stay a usable number.
  return Math.min(1e9, Math.max(1e-9, next));
}
