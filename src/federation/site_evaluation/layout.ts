import { levelOf, levelsOf, type RecordAttributes, type SubgroupDimension } from "./subgroups.ts";

/** What the released vector counts. */
export interface LayoutTerms {
  /** Yes-or-no tasks, in order. */
  readonly tasks: readonly string[];
  /** Score bins K. */
  readonly bins: number;
  /** By what results are broken down. */
  readonly subgroups: readonly SubgroupDimension[];
}

/** One group of records: everybody, or one level of one dimension. */
export interface Group {
  /** `all`, or the dimension's name. */
  readonly dimension: string;
  /** `all`, or the level's name. */
  readonly level: string;
}

/** Everybody first, then the levels of each dimension. */
export function groupsOf({ subgroups }: Pick<LayoutTerms, "subgroups">): Group[] {
  return [
    { dimension: "all", level: "all" },
    ...subgroups.flatMap((dimension) => {
      return levelsOf(dimension).map((level) => ({ dimension: dimension.name, level }));
    }),
  ];
}

/** Numbers of the groups that a record is in: everybody, and one of each dimension. */
export function groupsOfRecord(
  { subgroups }: Pick<LayoutTerms, "subgroups">,
  attributes: RecordAttributes,
): number[] {
  const found = [0];
  let first = 1;
  for (const dimension of subgroups) {
    found.push(first + levelOf(dimension, attributes));
    first += levelsOf(dimension).length;
  }
  return found;
}

/** Length d of the released vector: tasks x groups x 2 labels x K bins. */
export function dimensionOf(terms: LayoutTerms): number {
  return terms.tasks.length * groupsOf(terms).length * 2 * terms.bins;
}

/** Place of a cell in the vector, row-major [task][group][label][bin]. */
export function cellAt(
  groups: number,
  bins: number,
  cell: { readonly task: number; readonly group: number; readonly label: number; readonly bin: number },
): number {
  return ((cell.task * groups + cell.group) * 2 + cell.label) * bins + cell.bin;
}

/**
 * What one record adds to each cell that it is in. A record is in one cell for everybody and in one of each dimension;
 * with this weight its contribution to a task has norm 1, however many dimensions there are.
 */
export function cellWeight({ subgroups }: Pick<LayoutTerms, "subgroups">): number {
  return 1 / Math.sqrt(1 + subgroups.length);
}
