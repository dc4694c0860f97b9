/**
 * The privacy loss distribution (PLD) accountant: tight upper bounds by numerical composition.
 *
 * A mechanism is given by a dominating pair (P, Q) in each neighbouring direction. Its privacy loss
 * ln(dP/dQ) is rounded to a grid by connect-the-dots from interval probabilities, so that the rounded curve
 * lies above the true one and no mass is lost. Compositions multiply Fourier spectra; one inverse transform
 * gives the composed loss, and delta(epsilon) is read off from it. Truncated tails are added to delta and
 * the noise of the transform is reported. The grid follows the spread of the mechanisms; discretised losses
 * and spectra are cached.
 *
 * @module
 */
export { composePld } from "./accountant.ts";
export type { PldResult } from "./accountant.ts";
export type { ComposedLoss } from "./compose.ts";
export { deltaOfLoss, epsilonOfLoss } from "./curve.ts";
export { LossDistribution } from "./loss_distribution.ts";
