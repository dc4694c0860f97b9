import { type DpEvent, flattenEvent, parseEvent } from "../events/mod.ts";
import { type ComposedLoss, composePld, deltaOfLoss } from "../pld/mod.ts";
import type { AccountingOptions } from "./bounds.ts";
import { checkEpsilon, checkInterval, checkNeighboring } from "./_arguments.ts";

/** A point of the privacy curve. */
export interface PrivacyCurvePoint {
  /** Epsilon. */
  readonly epsilon: number;
  /** Upper bound on delta at it, by PLD. */
  readonly delta: number;
}

function at({ loss, transformNoise }: ComposedLoss, epsilon: number): number {
  return deltaOfLoss(loss, epsilon) + transformNoise;
}

/** The curve delta(epsilon) at several epsilons, for the price of one composition. */
export function privacyCurve(
  raw: DpEvent,
  epsilons: readonly number[],
  options: Omit<AccountingOptions, "accountant">,
): PrivacyCurvePoint[] {
  epsilons.forEach(checkEpsilon);
  checkNeighboring(options.neighboring);
  checkInterval(options.gridInterval);
  const parts = flattenEvent(parseEvent(raw));
  if (parts.length === 0) return epsilons.map((epsilon) => ({ epsilon, delta: 0 }));
  if (parts.some((part) => part.event.type === "non_private")) {
    return epsilons.map((epsilon) => ({ epsilon, delta: 1 }));
  }
  const { remove, add } = composePld(parts, options.neighboring, options.gridInterval);
  return epsilons.map((epsilon) => ({
    epsilon,
    delta: Math.min(1, Math.max(at(remove, epsilon), add === undefined ? 0 : at(add, epsilon))),
  }));
}

/**
 * Smallest false-negative rate of any test for one unit's presence at a given false-positive rate, from
 * below. Source: Dong, Roth, Su 2022, Proposition 6 (the envelope of the (epsilon, delta) guarantees).
 */
export function tradeOff(curve: readonly PrivacyCurvePoint[], falsePositiveRate: number): number {
  let least = 0;
  for (const { epsilon, delta } of curve) {
    const steep = 1 - delta - Math.exp(epsilon) * falsePositiveRate;
    const flat = Math.exp(-epsilon) * (1 - delta - falsePositiveRate);
    least = Math.max(least, steep, flat);
  }
  return least;
}
