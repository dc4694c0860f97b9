import { z } from "zod";
import { type Aggregate, aggregateSchema } from "../accumulator.ts";
import { checkMapping, type SetOptions, setShape } from "../set_options.ts";
import { type ColumnTask, columnTaskShape, labelTableShape, type LabelTableSpec } from "./label_table.ts";

/** One table of a mapping; its path is relative to the folder of the mapping and its key names the record. */
export type TableSpec = LabelTableSpec;

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
  readonly unit:
    | "timestamp"
    | "day"
    | "hour"
    | "minute"
    | "second"
    | "millisecond"
    | "microsecond"
    | "nanosecond";
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
export interface TaskMapping extends ColumnTask {
  /** Name of the table; the record table if absent. */
  readonly table?: string | undefined;
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

const table: z.ZodType<TableSpec> = z.strictObject(labelTableShape);

const channel: z.ZodType<ChannelSpec> = z.strictObject({
  name,
  column: name,
  where: z.strictObject({ column: name, values: z.array(z.string()).min(1) }).optional(),
  unit: z.string(),
  sourceUnit: z.string().optional(),
  scale: z.number().default(1),
  offset: z.number().default(0),
  range: z.tuple([z.number(), z.number()]).optional(),
  aggregate: aggregateSchema.optional(),
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
    aggregate: aggregateSchema.default("mean"),
    channels: z.array(channel).min(1),
  }),
  z.strictObject({
    kind: z.literal("vector"),
    table: name.optional(),
    window: z.strictObject({ time, from: z.number(), to: z.number() }).optional(),
    aggregate: aggregateSchema.default("last"),
    channels: z.array(channel).min(1),
  }),
  z.strictObject({ kind: z.literal("text"), template: z.string().min(1) }),
]);

const task: z.ZodType<TaskMapping> = z.strictObject({ ...columnTaskShape, table: name.optional() });

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
  const uses: { readonly used: string | undefined; readonly path: (string | number)[] }[] = [
    { used: value.recordTable, path: ["recordTable"] },
    ...Object.entries(value.modalities).map(([modalityName, item]) => ({
      used: item.kind === "text" ? undefined : item.table,
      path: ["modalities", modalityName, "table"],
    })),
    ...value.tasks.map((item, index) => ({ used: item.table, path: ["tasks", index, "table"] })),
  ];
  for (const { used, path } of uses) {
    if (used !== undefined && !Object.hasOwn(value.tables, used)) {
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
