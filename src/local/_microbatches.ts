import { EMPTY_ROW } from "./_batch.ts";
import type { SetRows } from "./features.ts";
import { rowsOf } from "./_gradient_job.ts";

/** Whole units in a tensor batch of fixed size: `slots` units of up to `width` records each. */
export interface Microbatch {
  /** Slots S; slots * width is the number of rows. */
  readonly slots: number;
  /** Records of a slot, a power of two. */
  readonly width: number;
  /** The units in the first slots; further slots are empty. */
  readonly units: readonly string[];
  /** Rows of the set, slot by slot, filled up with empty rows. */
  readonly rows: readonly number[];
}

/** How a sample is dealt out. */
export interface Dealt {
  /** Batches of units that fit one. */
  readonly whole: readonly Microbatch[];
  /** Units with more records than a batch has rows. */
  readonly large: readonly string[];
}

/**
 * Deals units to batches of `size` rows without ever cutting one: a unit takes a slot of the next power of
 * two, the widest come first, and narrower units fill the slots that are left. Every batch has the same
 * number of rows, and there are only log2(size) + 1 shapes, whatever was sampled.
 */
export function dealUnits(set: SetRows, chosen: readonly string[], size: number): Dealt {
  const width = (unit: string): number => 2 ** Math.ceil(Math.log2(Math.max(1, rowsOf(set, unit).length)));
  const large = chosen.filter((unit) => width(unit) > size);
  const fitting = chosen.filter((unit) => width(unit) <= size).sort((a, b) => width(b) - width(a));
  const whole: Microbatch[] = [];
  for (let start = 0; start < fitting.length;) {
    const widest = width(fitting[start]);
    const units = fitting.slice(start, start + size / widest);
    whole.push(fill(set, units, size / widest, widest));
    start += units.length;
  }
  return { whole, large };
}

/** One batch from units that fit its slots. */
export function fill(set: SetRows, units: readonly string[], slots: number, width: number): Microbatch {
  const rows = new Array<number>(slots * width).fill(EMPTY_ROW);
  units.forEach((unit, slot) => rowsOf(set, unit).forEach((row, r) => rows[slot * width + r] = row));
  return { slots, width, units, rows };
}
