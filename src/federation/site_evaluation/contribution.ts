import { addClippedUnit } from "../../dp/mod.ts";
import { cellAt, cellWeight, groupsOf, type LayoutTerms } from "./layout.ts";

/** What one labelled record of a held-out unit counts as. */
export interface ScoredRecord {
  /** Number of the task in the plan. */
  readonly task: number;
  /** Numbers of the groups that it is in, see `groupsOfRecord`. */
  readonly groups: readonly number[];
  /** 0 or 1. */
  readonly label: number;
  /** Bin of its score. */
  readonly bin: number;
}

/**
 * Adds one unit, with all of its records, to a site's sum. Within a task each labelled record counts for its share of
 * the unit, so that somebody with many records weighs no more than somebody with one; over all tasks and groups the
 * contribution is then clipped to the plan's bound C in L2 norm and divided by it.
 *
 * @param sum site's sum `[d]` in units of C; one unit moves it by at most 1
 * @param terms the layout
 * @param records labelled records of the unit, one entry for each task
 * @param clip L2 bound C of the unit's population
 */
export function addUnit(
  sum: Float64Array,
  terms: LayoutTerms,
  records: readonly ScoredRecord[],
  clip: number,
): void {
  if (records.length === 0) return;
  const groups = groupsOf(terms).length;
  const weight = cellWeight(terms);
  const ofTask = new Map<number, number>();
  for (const { task } of records) ofTask.set(task, (ofTask.get(task) ?? 0) + 1);
  const own = new Float64Array(sum.length);
  for (const record of records) {
    for (const group of record.groups) {
      own[cellAt(groups, terms.bins, { ...record, group })] += weight / ofTask.get(record.task)!;
    }
  }
  addClippedUnit(sum, own, clip);
}
