import { canonicalJson } from "../../formats/canonical_json.ts";
import { invalidEvent } from "./_checks.ts";
import type { DpEvent } from "./types.ts";

/** An event that is not a composition. */
export type LeafEvent = Exclude<
  DpEvent,
  { type: "composed" } | { type: "self_composed" } | { type: "no_op" }
>;

/** A mechanism and how often it ran. */
export interface CountedEvent {
  /** The mechanism. */
  readonly event: LeafEvent;
  /** How often, at least 1. */
  readonly count: number;
  /** Canonical JSON of the mechanism: equal mechanisms have equal keys. */
  readonly key: string;
}

/**
 * The tree as a list of distinct mechanisms with counts: composition is commutative and associative, so
 * this is all that an accountant needs, and `count` cannot be forgotten by any one mechanism. Gaussians
 * under one sampling are merged into one (they compose exactly), nested sampling rates multiply.
 */
export function flattenEvent(event: DpEvent): CountedEvent[] {
  const found = new Map<string, { event: LeafEvent; count: number }>();
  visit(event, 1, (leaf, count) => {
    const key = canonicalJson(leaf);
    const known = found.get(key);
    const total = (known?.count ?? 0) + count;
    if (!Number.isSafeInteger(total)) throw invalidEvent(`a count of ${total}`, "a count below 2^53");
    found.set(key, { event: leaf, count: total });
  });
  return [...found].map(([key, value]) => ({ ...value, key }));
}

function visit(event: DpEvent, times: number, add: (leaf: LeafEvent, count: number) => void): void {
  if (times === 0 || event.type === "no_op") return;
  if (event.type === "composed") {
    for (const inner of event.events) visit(inner, times, add);
  } else if (event.type === "self_composed") {
    visit(event.event, times * event.count, add);
  } else {
    const leaf = event.type === "poisson" ? normalisePoisson(event.q, event.event) : event;
    if (leaf.type === "no_op") return;
    if (leaf.type === "composed" || leaf.type === "self_composed") visit(leaf, times, add);
    else add(leaf, times);
  }
}

/** Simplest event equal to running `inner` on a Poisson sample of rate q. */
function normalisePoisson(q: number, inner: DpEvent): DpEvent {
  if (q === 0) return { type: "no_op" };
  if (q === 1) return inner;
  if (inner.type === "poisson") return normalisePoisson(q * inner.q, inner.event);
  if (inner.type !== "composed" && inner.type !== "self_composed") {
    return inner.type === "no_op" ? inner : { type: "poisson", q, event: inner };
  }
  const parts = flattenEvent(inner);
  if (parts.length === 0) return { type: "no_op" };
  if (parts.length === 1 && parts[0].count === 1) return normalisePoisson(q, parts[0].event);
  let precision = 0;
  for (const { event, count } of parts) {
    if (event.type !== "gaussian") {
      throw invalidEvent(
        "Poisson sampling of a composition with a mechanism other than the Gaussian",
        "Poisson sampling of one mechanism or of several Gaussians",
      );
    }
    precision += count / (event.sigma * event.sigma);
  }
  return { type: "poisson", q, event: { type: "gaussian", sigma: 1 / Math.sqrt(precision) } };
}
