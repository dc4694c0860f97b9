import { FedKimError } from "../../formats/errors.ts";
import type { DpEvent, Neighboring } from "../events/mod.ts";
import { goldenSection } from "../numerics/mod.ts";
import { rdpDelta, rdpEpsilon } from "./convert.ts";
import { composedRdp, type RdpCurve } from "./leaf_rdp.ts";
import { DEFAULT_ORDERS } from "./orders.ts";

/**
 * The search ends after so many larger orders without a better bound: high orders of wide mixtures are
 * slow.
 */
const PATIENCE = 60;

/** The best Renyi bound and the order that gave it. */
export interface RdpResult {
  /** Epsilon or delta, as asked. */
  readonly value: number;
  /** Optimal order. */
  readonly order: number;
  /** True where the optimum is the largest order searched: more orders might give a better bound. */
  readonly atEdge: boolean;
}

/** Smallest bound over all orders; around the best of the default orders the search goes on between them. */
function best(
  curve: RdpCurve,
  orders: readonly number[],
  bound: (a: number, rdp: number) => number,
): RdpResult {
  const value = (order: number): number => {
    const rdp = curve.at(order);
    if (Number.isNaN(rdp) || rdp < 0) {
      throw new FedKimError("InternalError", "An RDP value is not a non-negative number.", {
        found: `${rdp} at order ${order}`,
      });
    }
    return bound(order, rdp);
  };
  const usable = orders.filter((order) => !curve.integersOnly || Number.isInteger(order));
  let at = 0;
  let least = Infinity;
  for (let i = 0; i < usable.length && (least === Infinity || i - at <= PATIENCE); i++) {
    const found = value(usable[i]);
    if (found < least) [at, least] = [i, found];
  }
  const atEdge = at === usable.length - 1;
  const listed = orders !== DEFAULT_ORDERS;
  if (listed || curve.integersOnly || least === Infinity || atEdge) {
    return { value: least, order: usable[at], atEdge };
  }
  const refined = goldenSection(usable[Math.max(0, at - 1)], usable[at + 1], 16, value);
  return refined.value < least
    ? { value: refined.value, order: refined.x, atEdge }
    : { value: least, order: usable[at], atEdge };
}

/** Epsilon at delta by Renyi accounting: an upper bound; Infinity where delta does not cover the failures. */
export function rdpEpsilonOf(
  event: DpEvent,
  delta: number,
  neighboring: Neighboring,
  orders: readonly number[] = DEFAULT_ORDERS,
): RdpResult {
  const curve = composedRdp(event, neighboring);
  const left = delta - curve.extraDelta;
  if (!(left > 0)) return { value: Infinity, order: orders[0], atEdge: false };
  return best(curve, orders, (a, rdp) => rdpEpsilon(a, rdp, left));
}

/** Delta at epsilon by Renyi accounting: an upper bound. */
export function rdpDeltaOf(
  event: DpEvent,
  epsilon: number,
  neighboring: Neighboring,
  orders: readonly number[] = DEFAULT_ORDERS,
): RdpResult {
  const curve = composedRdp(event, neighboring);
  const result = best(curve, orders, (a, rdp) => rdpDelta(a, rdp, epsilon));
  return { ...result, value: Math.min(1, result.value + curve.extraDelta) };
}
