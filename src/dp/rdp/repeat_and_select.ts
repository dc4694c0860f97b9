import { bisect } from "../numerics/mod.ts";
import { rdpDelta } from "./convert.ts";
import { DEFAULT_ORDERS } from "./orders.ts";

/** Mean of the truncated negative binomial with success parameter gamma; shape 0 is the logarithmic law. */
function meanRepetitions(gamma: number, shape: number): number {
  if (shape === 0) return (1 / gamma - 1) / -Math.log(gamma);
  return (shape * (1 / gamma - 1)) / -Math.expm1(shape * Math.log(gamma));
}

/** Parameter gamma with the wanted mean, from below, which is the safe side. */
function gammaOf(mean: number, shape: number): number {
  if (mean === 1) return 1;
  return bisect(0, 1 - 1e-12, 1e-16, (gamma) => meanRepetitions(gamma, shape) < mean)[0];
}

/**
 * RDP curve of publishing the best of a random number of runs.
 * Source: Papernot and Steinke 2022, Theorem 2 (truncated negative binomial) and Theorem 6 (Poisson).
 * @param inner RDP curve of one run
 */
export function repeatAndSelectRdp(
  inner: (order: number) => number,
  mean: number,
  shape: number | "inf",
): (order: number) => number {
  const single = DEFAULT_ORDERS.map((order) => ({ order, rdp: inner(order) }));
  const formula = shape === "inf" ? poissonFormula(single, mean) : negativeBinomial(single, mean, shape);
  const listed = single.map(({ order, rdp }) => ({ order, rdp: formula(order, rdp) }));
  // Renyi divergence grows with the order: a bound at a higher order also holds here.
  return (order) =>
    listed.reduce(
      (least, entry) => entry.order >= order ? Math.min(least, entry.rdp) : least,
      formula(order, inner(order)),
    );
}

interface SinglePoint {
  readonly order: number;
  readonly rdp: number;
}

function poissonFormula(
  single: readonly SinglePoint[],
  mean: number,
): (order: number, rdp: number) => number {
  return (order, rdp) => {
    const epsilon = Math.log1p(1 / (order - 1));
    const delta = Math.min(...single.map((point) => rdpDelta(point.order, point.rdp, epsilon)));
    return rdp + mean * delta + Math.log(mean) / (order - 1);
  };
}

function negativeBinomial(
  single: readonly SinglePoint[],
  mean: number,
  shape: number,
): (order: number, rdp: number) => number {
  const logGamma = Math.log(gammaOf(mean, shape));
  const constant = (1 + shape) *
    Math.min(...single.map(({ order, rdp }) => (1 - 1 / order) * rdp - logGamma / order));
  return (order, rdp) => rdp + Math.log(mean) / (order - 1) + constant;
}
