import { FedKimError } from "../formats/errors.ts";
import type { DealtUnit } from "./_dealing.ts";
import type { SetRows } from "./features.ts";
import type { Range } from "./_layers.ts";
import type { LocalModelSpec } from "./spec.ts";
import type { LocalWeights } from "./weights.ts";

/** The gradient of some units of one set. */
export interface GradientJob {
  /** The model. */
  readonly spec: LocalModelSpec;
  /** Its present numbers. */
  readonly weights: LocalWeights;
  /** The set. */
  readonly set: SetRows;
  /** Units of the set, in rising order of keys. */
  readonly chosen: readonly DealtUnit[];
  /** Whether these are all units of the sample. */
  readonly sole: boolean;
  /** Norm C: addends are divided by it. */
  readonly bound: number;
  /** Whether addends are also limited to norm 1. */
  readonly clipping: boolean;
  /** Rows of a tensor batch. */
  readonly rows: number;
}

/** Counts of one job; both are private. */
export interface GradientTotals {
  /** Units whose gradient was not finite. */
  nonFinite: number;
  /** Units whose gradient was longer than C. */
  clipped: number;
}

/** Adds sum over units of clip(g) / C to a flat vector. */
export type GradientEngine = (job: GradientJob, into: Float64Array) => Promise<GradientTotals>;

/** The rows of a unit. */
export function rowsOf(set: SetRows, unit: string): readonly number[] {
  const rows = set.rowsOf.get(unit);
  if (rows === undefined) throw unknownUnit(set.name);
  return rows;
}

/** Refuses a unit that a set does not have. */
export function unknownUnit(set: string): FedKimError {
  return new FedKimError("ConfigError", `A sampled unit is not in the set ${set}.`, {
    needed: "units from sampleUnits(set)",
  });
}

/** Clips one unit's whole gradient by its float64 norm and adds it. */
export function addClipped(
  { bound, clipping }: GradientJob,
  gradient: Float64Array,
  ranges: readonly Range[],
  into: Float64Array,
  totals: GradientTotals,
): void {
  const norm = Math.sqrt(squaredNorm(gradient, ranges));
  if (!Number.isFinite(norm)) {
    totals.nonFinite++;
    return;
  }
  if (clipping && norm > bound) totals.clipped++;
  const scale = clipping ? clipScale(norm, bound) : 1 / bound;
  for (const { start, end } of ranges) for (let i = start; i < end; i++) into[i] += scale * gradient[i];
}

/** 1 / max(C, norm); at most 1 / norm even after rounding, so no addend is longer than 1. */
export function clipScale(norm: number, bound: number): number {
  return 1 / Math.max(bound, norm * (1 + 1e-12));
}

function squaredNorm(gradient: Float64Array, ranges: readonly Range[]): number {
  let sum = 0;
  for (const { start, end } of ranges) for (let i = start; i < end; i++) sum += gradient[i] * gradient[i];
  return sum;
}
