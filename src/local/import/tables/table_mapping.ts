import { z } from "zod";
import { checkMapping, type SetOptions, setShape, taskShape, type TaskText } from "../set_options.ts";

/** One table of a mapping. */
export interface TableSpec {
  /** Path, relative to the folder of the mapping: CSV, CSV.gz or Parquet. */
  readonly file: string;
  /** Column that names the record; in the record table it is the record's identifier. */
  readonly key: string;
  /** Character between the fields of a CSV file. */
  readonly delimiter: string;
  /** Encoding of a CSV file. */
  readonly encoding: "utf-8" | "windows-1252";
  /** Texts that mean "no value", besides the empty one. */
  readonly missing: readonly string[];
}

/** How the values of one cell of a timeseries, or of one entry of a vector, become one. */
export type Aggregate = "mean" | "sum" | "min" | "max" | "first" | "last" | "count";

/** One column of numbers on its way into a channel. */
export interface ChannelSpec {
  /** Name of the channel in the dataset. */
  readonly name: string;
  /** Column of the values. */
  readonly column: string;
  /** Only rows whose column `where.column` holds one of `where.values`: for tables with a row per measurement. */
  readonly where?: { readonly column: string; readonly values: readonly string[] } | undefined;
  /** Unit in the dataset. */
  readonly unit: string;
  /** Unit in the source, where it differs and is known to convert. */
  readonly sourceUnit?: string | undefined;
  /** Factor applied to the source's value, for other conversions. */
  readonly scale: number;
  /** Summand applied after {@link scale}. */
  readonly offset: number;
  /** Smallest and largest possible value, in the dataset's unit. */
  readonly range?: readonly [number, number] | undefined;
  /** Overrides the modality's aggregate. */
  readonly aggregate?: Aggregate | undefined;
}

/** How a column of times is to be understood. */
export interface TimeSpec {
  /** Column of the side table. */
  readonly column: string;
  /** Unit of an offset since the record's start, or `timestamp` for a date and time. */
  readonly unit: "timestamp" | "day" | "hour" | "minute" | "second" | "millisecond" | "microsecond" | "nanosecond";
  /** Column of the record table with the record's start; needed for timestamps. */
  readonly start?: string | undefined;
}

/** A regular series of measurements. */
export interface TimeseriesMapping {
  /** Discriminator. */
  readonly kind: "timeseries";
  /** Name of the table. */
  readonly table: string;
  /** When a row was measured. */
  readonly time: TimeSpec;
  /** Number of steps from the record's start on; rows outside are left out. */
  readonly steps: number;
  /** Length of a step in seconds. */
  readonly stepSeconds: number;
  /** How several values in a step become one. */
  readonly aggregate: Aggregate;
  /** The channels. */
  readonly channels: readonly ChannelSpec[];
}

/** One value per channel. */
export interface VectorMapping {
  /** Discriminator. */
  readonly kind: "vector";
  /** Name of the table; the record table if absent. */
  readonly table?: string | undefined;
  /** Only rows measured from `from` to before `to`, in seconds since the record's start. */
  readonly window?: { readonly time: TimeSpec; readonly from: number; readonly to: number } | undefined;
  /** How several values become one; first and last need a window, or follow the order of the file. */
  readonly aggregate: Aggregate;
  /** The channels. */
  readonly channels: readonly ChannelSpec[];
}

/** Text from columns of the record table. */
export interface TextMapping {
  /** Discriminator. */
  readonly kind: "text";
  /** `{column}` is filled from the record table; missing when every column is. */
  readonly template: string;
}

/** A modality of a mapping. */
export type ModalityMapping = TimeseriesMapping | VectorMapping | TextMapping;

/** Where a task's label comes from. */
export interface TaskMapping extends TaskText {
  /** What the answer is. */
  readonly type: "binary" | "multiclass" | "regression" | "open";
  /** Names of the classes (multiclass). */
  readonly classes?: readonly string[] | undefined;
  /** Name of the table; the record table if absent. */
  readonly table?: string | undefined;
  /** Column of the label. */
  readonly column: string;
  /** Labels by cell text; without it the cell is the label itself. */
  readonly map?: Readonly<Record<string, string | number | null>> | undefined;
  /** Label of a cell text that `map` does not list; without it such a cell is an error. */
  readonly otherwise?: string | number | null | undefined;
}

/** `fedkim-import/1`: how tables become one dataset. */
export interface TableMapping extends SetOptions {
  /** Format and version. */
  readonly format: "fedkim-import/1";
  /** Tables by name. */
  readonly tables: Readonly<Record<string, TableSpec>>;
  /** Name of the table with one row per record. */
  readonly recordTable: string;
  /** Column of the record table that says who a record belongs to. */
  readonly patientColumn: string;
  /** Further fields of the record by name, from columns of the record table. */
  readonly attributes: Readonly<Record<string, string>>;
  /** What happens to a number that cannot be read or lies outside its range: an error, or missing and counted. */
  readonly badValues: "refuse" | "missing";
  /** Modalities by name. */
  readonly modalities: Readonly<Record<string, ModalityMapping>>;
  /** Tasks. */
  readonly tasks: readonly TaskMapping[];
}

const name = z.string().min(1).max(200);
const aggregate = z.enum(["mean", "sum", "min", "max", "first", "last", "count"]);

const table: z.ZodType<TableSpec> = z.strictObject({
  file: z.string().min(1),
  key: name,
  delimiter: z.string().length(1).default(","),
  encoding: z.enum(["utf-8", "windows-1252"]).default("utf-8"),
  missing: z.array(z.string()).default(["NA", "NaN", "nan", "NULL", "null"]),
});

const channel: z.ZodType<ChannelSpec> = z.strictObject({
  name,
  column: name,
  where: z.strictObject({ column: name, values: z.array(z.string()).min(1) }).optional(),
  unit: z.string(),
  sourceUnit: z.string().optional(),
  scale: z.number().default(1),
  offset: z.number().default(0),
  range: z.tuple([z.number(), z.number()]).optional(),
  aggregate: aggregate.optional(),
});

const time: z.ZodType<TimeSpec> = z.strictObject({
  column: name,
  unit: z.enum(["timestamp", "day", "hour", "minute", "second", "millisecond", "microsecond", "nanosecond"]),
  start: name.optional(),
}).refine((value) => value.unit !== "timestamp" || value.start !== undefined, {
  message: "timestamps need the record table's column with the start",
  path: ["start"],
});

const modality: z.ZodType<ModalityMapping> = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("timeseries"),
    table: name,
    time,
    steps: z.number().int().min(1).max(100_000),
    stepSeconds: z.number().positive(),
    aggregate: aggregate.default("mean"),
    channels: z.array(channel).min(1),
  }),
  z.strictObject({
    kind: z.literal("vector"),
    table: name.optional(),
    window: z.strictObject({ time, from: z.number(), to: z.number() }).optional(),
    aggregate: aggregate.default("last"),
    channels: z.array(channel).min(1),
  }),
  z.strictObject({ kind: z.literal("text"), template: z.string().min(1) }),
]);

const label = z.union([z.string(), z.number(), z.null()]);

const task: z.ZodType<TaskMapping> = z.strictObject({
  ...taskShape,
  type: z.enum(["binary", "multiclass", "regression", "open"]),
  classes: z.array(name).min(2).optional(),
  table: name.optional(),
  column: name,
  map: z.record(z.string(), label).optional(),
  otherwise: label.optional(),
});

const mapping: z.ZodType<TableMapping> = z.strictObject({
  format: z.literal("fedkim-import/1"),
  ...setShape,
  tables: z.record(name, table),
  recordTable: name,
  patientColumn: name,
  attributes: z.record(z.string().regex(/^[A-Za-z0-9_]{1,100}$/), name).default({}),
  badValues: z.enum(["refuse", "missing"]).default("refuse"),
  modalities: z.record(name, modality),
  tasks: z.array(task).default([]),
}).superRefine((value, context) => {
  const uses: (readonly [string | undefined, (string | number)[]])[] = [
    [value.recordTable, ["recordTable"]],
    ...Object.entries(value.modalities).map(([modalityName, item]) =>
      [item.kind === "text" ? undefined : item.table, ["modalities", modalityName, "table"]] as const
    ).map(([used, path]) => [used, [...path]] as const),
    ...value.tasks.map((item, index) => [item.table, ["tasks", index, "table"]] as const)
      .map(([used, path]) => [used, [...path]] as const),
  ];
  for (const [used, path] of uses) {
    if (used !== undefined && !(used in value.tables)) {
      context.addIssue({ code: "custom", path, message: `no table is called ${used}` });
    }
  }
});

/**
 * Checks a mapping of tables.
 *
 * @param value the parsed JSON or TOML
 * @throws FedKimError `ConfigError` naming every wrong field
 */
export function parseTableMapping(value: unknown): TableMapping {
  return checkMapping(mapping, value, "import mapping");
}
