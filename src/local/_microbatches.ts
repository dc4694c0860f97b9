import { EMPTY_ROW } from "./_batch.ts";
import { type DealtUnit, grouped } from "./_dealing.ts";
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
 * Deals units to batches of `size` rows without ever cutting one: a unit takes a slot of the next power of two. Every
 * batch has the same number of rows, and there are only log2(size) + 1 shapes, whatever was sampled. Units of
 * different widths share a batch only where one batch is enough for the whole sample.
 *
 * Float32 sums of a batch depend on who is in it, and the sensitivity of a step allows for one unit's change only. So
 * batches are {@link grouped} by random keys: with the same keys, one unit more or less changes batches of at most
 * 2 * size other units in all, however many were sampled, and all other batches are the same to the last bit. (Within
 * a portion one width's batches change; where portions join too, at most one batch of every width, of
 * size + size / 2 + ... + 1 units.)
 *
 * @param set where the units' rows are
 * @param chosen units in rising order of keys
 * @param size rows of a batch, a power of two
 * @param sole whether these are all units of the sample
 */
export function dealUnits(set: SetRows, chosen: readonly DealtUnit[], size: number, sole: boolean): Dealt {
  const width = ({ unit }: DealtUnit): number =>
    2 ** Math.ceil(Math.log2(Math.max(1, rowsOf(set, unit).length)));
  const widest = (group: readonly DealtUnit[]): number => Math.max(...group.map(width));
  const fits = (group: readonly DealtUnit[]): boolean =>
    group.length <= size && group.length * widest(group) <= size;
  const batch = (group: readonly DealtUnit[]): Microbatch => {
    return fill(set, group.map(({ unit }) => unit), size / widest(group), widest(group));
  };
  if (sole && chosen.length > 0 && fits(chosen)) return { whole: [batch(chosen)], large: [] };
  const whole: Microbatch[] = [];
  const large: string[] = [];
  for (const [own, units] of Map.groupBy(chosen, width)) {
    if (own > size) large.push(...units.map(({ unit }) => unit));
    else for (const group of grouped(units, fits)) whole.push(batch(group));
  }
  return { whole, large };
}

/** One batch from units that fit its slots. */
export function fill(set: SetRows, units: readonly string[], slots: number, width: number): Microbatch {
  const rows = new Array<number>(slots * width).fill(EMPTY_ROW);
  units.forEach((unit, slot) => rowsOf(set, unit).forEach((row, r) => rows[slot * width + r] = row));
  return { slots, width, units, rows };
}
