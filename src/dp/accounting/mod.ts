/**
 * The questions that people ask of an accountant: epsilon at delta, delta at epsilon, how much noise, how
 * many steps.
 *
 * All take an event and a neighbouring relation, and answer with an upper bound and how it was computed.
 * The PLD accountant is the default; the Renyi accountant is independent of it; Gaussians have a closed
 * form. Answers never go below the truth for want of digits: a delta that double precision cannot resolve
 * is refused. Calibration returns a value that was itself checked against the target.
 *
 * @module
 */
export { SMALLEST_DELTA } from "./_arguments.ts";
export { deltaAt, epsilonAt, whereSupported } from "./bounds.ts";
export type { Accountant, AccountingOptions, NumericSlack, PrivacyBound } from "./bounds.ts";
export { calibrateNoiseMultiplier, maxSteps } from "./calibrate.ts";
export type { CalibrationTarget } from "./calibrate.ts";
export { privacyCurve, tradeOff } from "./trade_off.ts";
export type { PrivacyCurvePoint } from "./trade_off.ts";
export { gaussianDelta, gaussianEpsilon } from "./gaussian_curve.ts";
export { PrivacyOdometer, RenyiFilter } from "./filter.ts";
export type { FilterBudget, OdometerOptions } from "./filter.ts";
export { groupPrivacy } from "./group.ts";
