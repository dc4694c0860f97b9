import { logAdd } from "../numerics/mod.ts";

/** RDP of the Laplace mechanism with sensitivity over scale `r`. Source: Mironov 2017, Proposition 6. */
export function laplaceRdp(order: number, r: number): number {
  const inner = ((order - 1) * Math.expm1((1 - 2 * order) * r)) / (2 * order - 1);
  return r + Math.log1p(inner) / (order - 1);
}

/**
 * RDP of the worst pure epsilon-DP mechanism: binary randomised response. Source: Bun and Steinke 2016,
 * Proposition 3.3.
 */
export function pureRdp(order: number, epsilon: number): number {
  // P = (1, e^-eps)/(1 + e^-eps) against its mirror image, in the logarithm.
  const logNormal = Math.log1p(Math.exp(-epsilon));
  return (logAdd((order - 1) * epsilon, -order * epsilon) - logNormal) / (order - 1);
}

/**
 * RDP of a mechanism of bounded range epsilon: it is epsilon^2/8-zCDP. Source: Cesar and Rogers 2021,
 * Theorem 1.
 */
export function boundedRangeRdp(order: number, epsilon: number): number {
  return Math.min(epsilon, (order * epsilon * epsilon) / 8);
}

/** RDP of randomised response over k buckets, one value replaced by another. */
export function randomizedResponseRdp(order: number, noise: number, k: number): number {
  const truth = 1 - noise + noise / k;
  const lie = noise / k;
  const ratio = Math.log(truth / lie);
  const swapped = logAdd(Math.log(lie) + order * ratio, Math.log(truth) - order * ratio);
  const rest = k > 2 ? Math.log((k - 2) * lie) : -Infinity;
  return Math.max(0, logAdd(swapped, rest)) / (order - 1);
}

/** RDP of randomised response over k buckets, one value replaced by an empty one whose answer is uniform. */
export function randomizedResponseSpecialRdp(order: number, noise: number, k: number): number {
  const truth = Math.log(k * (1 - noise) + noise);
  const lie = Math.log(noise);
  const side = (power: number): number =>
    logAdd(power * truth - Math.log(k), power * lie + Math.log((k - 1) / k));
  return Math.max(0, side(order), side(1 - order)) / (order - 1);
}
