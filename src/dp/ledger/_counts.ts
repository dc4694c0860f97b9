import { type DpEvent, flattenEvent } from "../events/mod.ts";

/** Mechanisms by canonical key, with counts. */
export type Counts = Map<string, { readonly event: DpEvent; count: number }>;

/** Adds every mechanism of `event`, `times` times. */
export function addTo(counts: Counts, event: DpEvent, times = 1): void {
  for (const part of flattenEvent(event)) {
    const known = counts.get(part.key);
    counts.set(part.key, { event: part.event, count: (known?.count ?? 0) + part.count * times });
  }
}

/** A copy that can be added to. */
export function copyOf(counts: Counts): Counts {
  return new Map([...counts].map(([key, value]) => [key, { ...value }]));
}

/** Counts as one event. */
export function asEvent(counts: Counts): DpEvent {
  const events = [...counts.values()].map(({ event, count }): DpEvent =>
    count === 1 ? event : { type: "self_composed", event, count }
  );
  if (events.length === 0) return { type: "no_op" };
  return events.length === 1 ? events[0] : { type: "composed", events };
}

/** How often all of `event` fits between what was used and what is allowed. */
export function timesLeft(allowed: Counts, used: Counts, event: DpEvent): number {
  const parts = flattenEvent(event);
  const fits = parts.map(({ key, count }) =>
    Math.floor(((allowed.get(key)?.count ?? 0) - (used.get(key)?.count ?? 0)) / count)
  );
  return parts.length === 0 ? 0 : Math.max(0, Math.min(...fits));
}
