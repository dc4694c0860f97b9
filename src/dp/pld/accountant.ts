import { FedKimError } from "../../formats/errors.ts";
import type { CountedEvent, Neighboring } from "../events/mod.ts";
import { type ComposedLoss, composedSize, composeLosses } from "./compose.ts";
import { discretise, fitsGrid, lossRange } from "./discretise.ts";
import type { LossDistribution } from "./loss_distribution.ts";
import { pairsOf } from "./leaf_pairs.ts";
import type { Directions, LossPair } from "./pairs.ts";
import type { CountedLoss } from "./window.ts";

/** Mass that may be cut from each tail of the composition, per distinct mechanism; it is added to delta. */
const TAIL_PER_MECHANISM = 1.48e-15;
/** A power of the spectrum multiplies its rounding error by the count. */
const MAX_RUNS = 100_000_000;
/** Largest transform. */
const MAX_SIZE = 1 << 21;
/** The spread of one step covers at least this many grid points. */
const POINTS_PER_STEP = 500;
/** Mixtures of many components get at most this many grid points, since each needs a root and many tails. */
const COSTLY_POINTS = 1 << 15;
/** Default grid. */
const DEFAULT_INTERVAL = 1e-4;

/** Privacy loss of a composition in both directions. */
export interface PldResult {
  /** Removing a unit. */
  readonly remove: ComposedLoss;
  /** Adding a unit; absent where the mechanism is symmetric. */
  readonly add?: ComposedLoss;
  /** Grid step used. */
  readonly interval: number;
}

/** Discretised losses by mechanism, direction and grid, least recently used first out. */
const cache = new Map<string, LossDistribution>();
const CACHE_POINTS = 8_000_000;

function cached(key: string, build: () => LossDistribution): LossDistribution {
  let loss = cache.get(key);
  cache.delete(key);
  loss ??= build();
  cache.set(key, loss);
  let points = 0;
  for (const entry of cache.values()) points += entry.masses.length;
  for (const [oldest, entry] of cache) {
    if (points <= CACHE_POINTS || oldest === key) break;
    points -= entry.masses.length;
    cache.delete(oldest);
  }
  return loss;
}

/** Grid step: fine enough for the narrowest step, coarser than the default only where edges are costly. */
function defaultInterval(pairs: readonly Directions[], tail: number): number {
  let interval = DEFAULT_INTERVAL;
  let coarsest = 0;
  for (const { remove } of pairs) {
    const [low, high] = lossRange(remove, 1e-7);
    if (high > low) interval = Math.min(interval, (high - low) / POINTS_PER_STEP);
    if (remove.kind === "continuous" && remove.costly) {
      const [first, last] = remove.range(tail);
      coarsest = Math.max(coarsest, (last - first) / COSTLY_POINTS);
    }
  }
  interval = Math.max(interval, coarsest);
  // Equal grids for nearly equal mechanisms let cached losses be used again.
  return 2 ** Math.floor(Math.log2(interval / DEFAULT_INTERVAL)) * DEFAULT_INTERVAL;
}

/**
 * Privacy loss distribution of a composition.
 * @param parts mechanisms and counts, at least one
 * @param gridInterval grid step; chosen from the spread when absent, coarsened where a transform would not
 * fit
 * @throws FedKimError UnsupportedDpEvent
 */
export function composePld(
  parts: readonly CountedEvent[],
  neighboring: Neighboring,
  gridInterval?: number,
): PldResult {
  const runs = parts.reduce((sum, part) => sum + part.count, 0);
  if (runs > MAX_RUNS) {
    throw new FedKimError("UnsupportedDpEvent", "The pld accountant cannot compose so many releases.", {
      found: `${runs} releases`,
      needed: `at most ${MAX_RUNS}, beyond which rounding would show`,
      remedy: "use the rdp accountant",
    });
  }
  const stepTail = Math.max(1e-300, TAIL_PER_MECHANISM / (16 * runs));
  const pairs = parts.map((part) => pairsOf(part.event, neighboring));
  let interval = gridInterval ?? defaultInterval(pairs, stepTail);
  for (;;) {
    const remove = composeDirection(
      parts,
      pairs.map((p) => p.remove),
      `${neighboring} remove`,
      interval,
      stepTail,
    );
    const symmetric = pairs.every((p) => p.add === undefined);
    const add = symmetric ? undefined : composeDirection(
      parts,
      pairs.map((p) => p.add ?? p.remove),
      `${neighboring} add`,
      interval,
      stepTail,
    );
    if (remove !== undefined && (symmetric || add !== undefined)) {
      return add === undefined ? { remove, interval } : { remove, add, interval };
    }
    interval *= 2;
  }
}

/** One direction, or undefined where the grid is too fine for it. */
function composeDirection(
  parts: readonly CountedEvent[],
  pairs: readonly LossPair[],
  direction: string,
  interval: number,
  stepTail: number,
): ComposedLoss | undefined {
  if (interval < 1 && pairs.some((pair) => !fitsGrid(pair, interval, stepTail))) return undefined;
  // Powers of ten, so that a growing count keeps the cached losses.
  const tail = 10 ** Math.floor(Math.log10(stepTail));
  const losses: CountedLoss[] = parts.map(({ key, count }, i) => ({
    loss: cached(`${direction} ${interval} ${tail} ${key}`, () => discretise(pairs[i], interval, tail)),
    count,
  }));
  const composedTail = TAIL_PER_MECHANISM * parts.length;
  const shape = composedSize(losses, composedTail);
  if (shape.size > MAX_SIZE && interval < 1) return undefined;
  return composeLosses(losses, composedTail, shape);
}
