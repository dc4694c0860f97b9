/**
 * Special functions and transforms in double precision, written for the accountants above them.
 *
 * Everything here is a pure function of numbers and arrays: the error function and the normal distribution
 * with full relative accuracy in the tails (an epsilon at delta = 1e-9 lives there), ln Gamma, the
 * incomplete beta function, sums of exponentials in the logarithmic domain, bracketing root finders that
 * say which side is safe, and a real Fourier transform for powers of two. Each function is tested against
 * values computed elsewhere with forty digits.
 *
 * @module
 */
export { erf, erfc, logNormalCdf, normalCdf, normalQuantile } from "./erf.ts";
export { logBinomial, logGamma } from "./gamma.ts";
export { logAdd } from "./log_math.ts";
export { betaRegularized, binomialUpperTail } from "./beta.ts";
export { bisect, goldenSection } from "./roots.ts";
export { inverseRealTransform, realTransform } from "./fft.ts";
export type { Spectrum } from "./fft.ts";
