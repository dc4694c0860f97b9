/**
 * The Renyi (RDP) accountant: fast upper bounds, independent of the PLD accountant, which they cross-check.
 *
 * Every mechanism has a curve of its Renyi divergence over orders; compositions add curves; the best order
 * gives epsilon at delta or delta at epsilon. Curves are exact where a formula or an analytic integral
 * exists, fractional orders included, and published upper bounds elsewhere. Mechanisms whose bound holds at
 * integer orders only say so. A value that is not a non-negative number is an error, never epsilon 0.
 *
 * @module
 */
export { rdpDeltaOf, rdpEpsilonOf } from "./accountant.ts";
export type { RdpResult } from "./accountant.ts";
export { rdpDelta, rdpEpsilon } from "./convert.ts";
export { composedRdp } from "./leaf_rdp.ts";
export type { RdpCurve } from "./leaf_rdp.ts";
export { DEFAULT_ORDERS } from "./orders.ts";
export { gaussianRdp, sampledGaussianRdp } from "./gaussian.ts";
