import type { Histogram } from "./histogram.ts";

/** A count below this many standard deviations of its noise says nothing. */
const DEVIATIONS = 3;

/**
 * Why a group is not shown: too few units, fewer than the noise lets one tell, or that a smaller group would follow from
 * it by subtraction.
 */
export type SuppressionReason = "below_minimum_count" | "within_noise" | "by_subtraction";

/** What is shown of one dimension, whose levels part everybody. */
export interface ShownLevels {
  /** Numbers of the levels that are not shown, ascending. */
  readonly hidden: readonly number[];
  /** Whether the hidden ones may be shown as one group. */
  readonly together: boolean;
}

/** Sum of counts. */
export function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Least number of units of one label that the noise of so many bins lets one see. */
export function visibleFrom({ no, noise }: Histogram): number {
  return DEVIATIONS * noise * Math.sqrt(no.length);
}

/** What its own counts say against showing a group. */
export function tooSmall(histogram: Histogram, minimumCount: number): SuppressionReason | undefined {
  const units = total(histogram.no) + total(histogram.yes);
  if (!(units >= minimumCount)) return "below_minimum_count";
  return units < visibleFrom(histogram) * Math.SQRT2 ? "within_noise" : undefined;
}

/** Several disjoint groups as one. */
export function joined(histograms: readonly Histogram[]): Histogram {
  const sum = (label: "no" | "yes") =>
    histograms[0][label].map((_, bin) => total(histograms.map((histogram) => histogram[label][bin])));
  return { no: sum("no"), yes: sum("yes"), noise: Math.hypot(...histograms.map(({ noise }) => noise)) };
}

/**
 * Complementary suppression (Cox 1980) of one dimension. Whoever knows everybody's figures subtracts the levels that are
 * shown, so what is left must be a group that may be shown itself, and of two levels at least: the smallest level is
 * hidden too until that holds. Tasks of one set count largely the same people, so a level that is hidden for one of them
 * is hidden for all.
 *
 * @param tasks histograms `[task][level]` of the tasks of a set whose figures of everybody are shown
 * @param minimumCount groups below it are too small
 */
export function shownLevels(tasks: readonly (readonly Histogram[])[], minimumCount: number): ShownLevels {
  const levels = Array.from(tasks[0] ?? [], (_, level) => level);
  const units = (level: number) => total(tasks.map((of) => total(of[level].no) + total(of[level].yes)));
  const small = levels.filter((level) => tasks.some((of) => tooSmall(of[level], minimumCount) !== undefined));
  const rest = levels.filter((level) => !small.includes(level)).sort((a, b) => units(a) - units(b));
  const closed = (hidden: readonly number[]) =>
    hidden.length > 1 &&
    tasks.every((of) => tooSmall(joined(hidden.map((level) => of[level])), minimumCount) === undefined);
  const hidden = [...small];
  while (hidden.length > 0 && rest.length > 0 && !closed(hidden)) hidden.push(rest.shift()!);
  return { hidden: hidden.sort((a, b) => a - b), together: hidden.length < levels.length && closed(hidden) };
}
