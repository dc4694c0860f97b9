/**
 * Exact noise and exact sampling from a CSPRNG.
 *
 * Everything is integer arithmetic on random bits: no float noise is ever added, since the low bits of
 * float noise give away what it was added to (Mironov 2012). The discrete Gaussian sampler decides each
 * coin by comparing random bits with an interval around its probability and falls back to big integers
 * where double precision cannot tell, so it is exact and still takes a fraction of a microsecond a sample.
 * Poisson sampling rounds the rate down. Byte sources are injected; the product uses the operating system's
 * CSPRNG.
 *
 * @module
 */
export { addDiscreteGaussian, DiscreteGaussianSampler, sampleDiscreteGaussian } from "./discrete_gaussian.ts";
export type { Rational } from "./discrete_gaussian.ts";
export { belowExpMinus, expMinusBounds } from "./exact_exp.ts";
export type { ExpBounds } from "./exact_exp.ts";
export { poissonSample, samplingThreshold } from "./poisson_sample.ts";
export { WordSource } from "./word_source.ts";
export { addSkellam, PoissonSampler } from "./poisson_noise.ts";
