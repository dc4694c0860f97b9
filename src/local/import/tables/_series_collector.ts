import type { ModalityManifest } from "../../../formats/dataset_manifest.ts";
import type { ModalityValue } from "../../dataset.ts";
import type { WarningList } from "../import_report.ts";
import { badValue } from "../source_errors.ts";
import { Accumulator } from "../accumulator.ts";
import { cellText, numberReader, seconds } from "./_cells.ts";
import type {
  ChannelSpec,
  TableMapping,
  TimeseriesMapping,
  TimeSpec,
  VectorMapping,
} from "./table_mapping.ts";
import type { TableRow } from "./table_source.ts";

/** What a collector knows about its table. */
export interface CollectorTable {
  /** The file, for messages. */
  readonly file: string;
  /** Texts that mean "no value". */
  readonly missing: ReadonlySet<string>;
  /** Position of a column in the rows. */
  readonly index: (column: string) => number;
}

/** Gathers the numbers of one timeseries or vector for a block of records. */
export class SeriesCollector {
  readonly #name: string;
  readonly #mapping: TimeseriesMapping | VectorMapping;
  readonly #table: CollectorTable;
  readonly #policy: TableMapping["badValues"];
  readonly #warnings: WarningList;
  readonly #channels: readonly {
    readonly spec: ChannelSpec;
    readonly read: ReturnType<typeof numberReader>;
    readonly at: number;
    readonly where: { readonly at: number; readonly values: ReadonlySet<string> } | undefined;
  }[];
  #values = new Accumulator(0, []);

  /** Prepares the channels; throws when units do not convert. */
  constructor(
    name: string,
    mapping: TimeseriesMapping | VectorMapping,
    table: CollectorTable,
    policy: TableMapping["badValues"],
    warnings: WarningList,
  ) {
    this.#name = name;
    this.#mapping = mapping;
    this.#table = table;
    this.#policy = policy;
    this.#warnings = warnings;
    this.#channels = mapping.channels.map((spec) => ({
      spec,
      read: numberReader(spec),
      at: table.index(spec.column),
      where: spec.where === undefined
        ? undefined
        : { at: table.index(spec.where.column), values: new Set(spec.where.values) },
    }));
  }

  /** Memory for one record, in bytes. */
  get bytesPerRecord(): number {
    return this.#steps * this.#channels.length * Accumulator.BYTES_PER_CELL;
  }

  get #steps(): number {
    return this.#mapping.kind === "timeseries" ? this.#mapping.steps : 1;
  }

  /** Forgets the last block and makes room for the next. */
  begin(records: number): void {
    const aggregates = this.#channels.map(({ spec }) => spec.aggregate ?? this.#mapping.aggregate);
    this.#values = new Accumulator(records * this.#steps, aggregates);
  }

  /**
   * Takes one row.
   *
   * @param record position of its record in the block
   * @param row the row
   * @param start the record's start in seconds, for a time specification
   */
  row(record: number, row: TableRow, start: (time: TimeSpec) => number): void {
    const time = this.#mapping.kind === "timeseries" ? this.#mapping.time : this.#mapping.window?.time;
    let at = row.number;
    if (time !== undefined) {
      const place = { file: this.#table.file, record: `row ${row.number}`, field: time.column };
      at = seconds(row.cells[this.#table.index(time.column)], time.unit, place) - start(time);
    }
    let step = 0;
    if (this.#mapping.kind === "timeseries") {
      step = Math.floor(at / this.#mapping.stepSeconds);
      if (step < 0 || step >= this.#mapping.steps) return;
    } else if (this.#mapping.window !== undefined) {
      if (at < this.#mapping.window.from || at >= this.#mapping.window.to) return;
    }
    this.#channels.forEach((channel, column) => {
      if (channel.where !== undefined) {
        const kind = cellText(row.cells[channel.where.at], this.#table.missing);
        if (kind === null || !channel.where.values.has(kind)) return;
      }
      const got = channel.read(row.cells[channel.at], this.#table.missing);
      if (got.kind === "value") this.#values.add(record * this.#steps + step, column, got.value, at);
      else if (got.kind !== "missing") this.#bad(channel.spec, row.number, got.kind);
    });
  }

  #bad(spec: ChannelSpec, row: number, kind: "unreadable" | "out_of_range"): void {
    const found = kind === "unreadable" ? "no finite number" : "a number outside the channel's range";
    if (this.#policy === "refuse") {
      throw badValue(
        { file: this.#table.file, record: `row ${row}`, field: spec.column },
        found,
        kind === "unreadable"
          ? "a decimal number or an empty cell"
          : `a value from ${spec.range?.[0]} to ${spec.range?.[1]} ${spec.unit}`,
        'correct the cell or the units, list the text under "missing", or set "badValues" to "missing"',
      );
    }
    const code = kind === "unreadable" ? "value_unreadable" : "value_out_of_range";
    this.#warnings.add(code, `${this.#name}.${spec.name}`, `${found}; taken as missing`);
  }

  /** The value of a record of the block; null when nothing was measured. */
  value(record: number): ModalityValue | null {
    const data = this.#values.rows(record * this.#steps, (record + 1) * this.#steps);
    if (data.every(Number.isNaN)) return null;
    return this.#mapping.kind === "timeseries"
      ? { kind: "timeseries", steps: this.#steps, channels: this.#channels.length, data }
      : { kind: "vector", data };
  }

  /** How the dataset describes it. */
  static manifest(name: string, mapping: TimeseriesMapping | VectorMapping): ModalityManifest {
    const common = {
      field: name,
      channels: mapping.channels.map((channel) => channel.name),
      units: mapping.channels.map((channel) => channel.unit),
    };
    return mapping.kind === "timeseries"
      ? { kind: "timeseries", steps: mapping.steps, stepSeconds: mapping.stepSeconds, ...common }
      : { kind: "vector", ...common };
  }
}
