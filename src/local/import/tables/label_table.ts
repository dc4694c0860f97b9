import { z } from "zod";
import type { Label } from "../../dataset.ts";
import type { ImportLimits } from "../limits.ts";
import { taskShape, type TaskText } from "../set_options.ts";
import { badFile, badValue } from "../source_errors.ts";
import { cellText } from "./_cells.ts";
import { labelOf } from "./_label.ts";
import { openTable } from "./open_table.ts";

/** A task whose label stands in a column of a label table. */
export interface ColumnTask extends TaskText {
  /** What the answer is. */
  readonly type: "binary" | "multiclass" | "regression" | "open";
  /** Names of the classes (multiclass). */
  readonly classes?: readonly string[] | undefined;
  /** Column of the label. */
  readonly column: string;
  /** Labels by cell text; without it the cell is the label itself. */
  readonly map?: Readonly<Record<string, string | number | null>> | undefined;
  /** Label of a cell text that `map` does not list; without it such a cell is an error. */
  readonly otherwise?: string | number | null | undefined;
}

/** A table with one row per image or object. */
export interface LabelTableSpec {
  /** CSV, CSV.gz or Parquet. */
  readonly file: string;
  /** Column that names the image or object. */
  readonly key: string;
  /** Character between the fields of a CSV file. */
  readonly delimiter: string;
  /** Encoding of a CSV file. */
  readonly encoding: "utf-8" | "windows-1252";
  /** Texts that mean "no value", besides the empty one. */
  readonly missing: readonly string[];
}

const label = z.union([z.string(), z.number(), z.null()]);

/** Fields of {@link ColumnTask} for a mapping's schema. */
export const columnTaskShape = {
  ...taskShape,
  type: z.enum(["binary", "multiclass", "regression", "open"]),
  classes: z.array(z.string().min(1)).min(2).optional(),
  column: z.string().min(1),
  map: z.record(z.string(), label).optional(),
  otherwise: label.optional(),
} as const satisfies z.ZodRawShape;

/** Fields of {@link LabelTableSpec} for a mapping's schema. */
export const labelTableShape = {
  file: z.string().min(1),
  key: z.string().min(1),
  delimiter: z.string().length(1).default(","),
  encoding: z.enum(["utf-8", "windows-1252"]).default("utf-8"),
  missing: z.array(z.string()).default(["NA", "NaN", "nan", "NULL", "null"]),
} as const satisfies z.ZodRawShape;

/** One row of a label table. */
export interface LabelRow {
  /** The key. */
  readonly key: string;
  /** Labels by task. */
  readonly labels: Readonly<Record<string, Label | null>>;
  /** Texts of the further columns, in the order in which they were asked for; null = no value. */
  readonly texts: readonly (string | null)[];
  /** What messages call the row. */
  readonly place: string;
}

/**
 * Streams a label table.
 *
 * @param path its path
 * @param spec how it is stored
 * @param tasks tasks with their columns
 * @param further columns whose texts the caller needs
 * @param limits bounds
 * @throws FedKimError `DatasetError` naming file, row and column of the first wrong value
 */
export async function* readLabelTable(
  path: string,
  spec: LabelTableSpec,
  tasks: readonly ColumnTask[],
  further: readonly string[] = [],
  limits: Partial<ImportLimits> = {},
): AsyncGenerator<LabelRow> {
  const table = await openTable(path, spec, limits);
  const wanted = [...new Set([spec.key, ...tasks.map((task) => task.column), ...further])];
  const absent = wanted.find((column) => !table.columns.includes(column));
  if (absent !== undefined) {
    throw badFile(
      path,
      "a label table",
      `no column ${absent}`,
      `one of ${table.columns.slice(0, 20).join(", ")}`,
    );
  }
  const missing = new Set(spec.missing);
  for await (const row of table.rows(wanted)) {
    const text = (column: string): string | null => cellText(row.cells[wanted.indexOf(column)], missing);
    const place = { file: path, record: `row ${row.number}`, field: spec.key };
    const key = text(spec.key);
    if (key === null) throw badValue(place, "no value", "the name of an image or object");
    const labels = tasks.map((task) => {
      return [task.name, labelOf(task, text(task.column), { ...place, field: task.column })] as const;
    });
    yield { key, labels: Object.fromEntries(labels), texts: further.map(text), place: `row ${row.number}` };
  }
}
