import { join } from "node:path";
import type { ModalityManifest } from "../../../formats/dataset_manifest.ts";
import type { Label, ModalityValue } from "../../dataset.ts";
import { type Attribute, type DatasetWriter, writeDataset } from "../dataset_writer.ts";
import type { ImportReport } from "../import_report.ts";
import { type ImportLimits, importLimits } from "../limits.ts";
import { pseudonymiser } from "../pseudonyms.ts";
import { manifestOf, taskOf } from "../set_options.ts";
import { badFile, badValue } from "../source_errors.ts";
import { cellText, seconds } from "./_cells.ts";
import { labelOf } from "./_label.ts";
import { SeriesCollector } from "./_series_collector.ts";
import { openTable } from "./open_table.ts";
import type { TableMapping, TaskMapping, TimeSpec } from "./table_mapping.ts";
import type { TableRow, TableSource } from "./table_source.ts";

/** How tables are imported. */
export interface TableImportOptions {
  /** Folder that the mapping's paths are relative to. */
  readonly base: string;
  /** Key for pseudonyms of patients and records; identifiers are kept without it. */
  readonly pseudonymKey?: Uint8Array;
  /** Bounds. */
  readonly limits?: Partial<ImportLimits>;
}

/** A table with the columns that the mapping needs of it. */
interface UsedTable {
  readonly source: TableSource;
  readonly wanted: readonly string[];
  readonly missing: ReadonlySet<string>;
  readonly index: (column: string) => number;
}

/** A record of the present block. */
interface Pending {
  readonly id: string;
  readonly row: TableRow;
  readonly labels: Record<string, Label | null>;
}

/**
 * Turns tables (CSV, CSV.gz, Parquet) into a dataset folder. The record table is streamed in blocks; for each block
 * every side table is read once, so memory is bounded by `limits.joinBytes` however long the tables are.
 *
 * @param mapping which columns become what, from {@link parseTableMapping}
 * @param dir the folder to write, which must not exist
 * @param options base folder, pseudonyms, bounds
 * @returns what was done
 * @throws FedKimError `ConfigError` when mapping and tables do not fit, `DatasetError` naming file, row and column of
 * the first wrong value, `FormatError` when a file is damaged
 */
export async function importTables(
  mapping: TableMapping,
  dir: string,
  options: TableImportOptions,
): Promise<ImportReport> {
  const tables = await openUsedTables(mapping, options);
  const modalities = Object.fromEntries(
    Object.entries(mapping.modalities).map(([name, item]): [string, ModalityManifest] => [
      name,
      item.kind === "text" ? { kind: "text", field: name } : SeriesCollector.manifest(name, item),
    ]),
  );
  const tasks = mapping.tasks.map((task) => taskOf(task, task.type, task.classes));
  return await writeDataset(dir, manifestOf(mapping, modalities, tasks), "tables", async (writer) => {
    await new TableImport(mapping, tables, writer, options).run();
  });
}

/** One run over the tables of a mapping. */
class TableImport {
  readonly #mapping: TableMapping;
  readonly #tables: ReadonlyMap<string, UsedTable>;
  readonly #writer: DatasetWriter;
  readonly #collectors: ReadonlyMap<string, { readonly table: string; readonly collector: SeriesCollector }>;
  readonly #pseudonym: (identifier: string) => string;
  readonly #blockRecords: number;

  constructor(
    mapping: TableMapping,
    tables: ReadonlyMap<string, UsedTable>,
    writer: DatasetWriter,
    options: TableImportOptions,
  ) {
    this.#mapping = mapping;
    this.#tables = tables;
    this.#writer = writer;
    this.#pseudonym = pseudonymiser(options.pseudonymKey);
    const collectors = new Map<string, { table: string; collector: SeriesCollector }>();
    let bytes = BYTES_PER_RECORD;
    for (const [name, item] of Object.entries(mapping.modalities)) {
      if (item.kind === "text") continue;
      const table = item.table ?? mapping.recordTable;
      const { source, missing, index } = this.#table(table);
      const place = { file: source.file, missing, index };
      const collector = new SeriesCollector(name, item, place, mapping.badValues, writer.warnings);
      collectors.set(name, { table, collector });
      bytes += collector.bytesPerRecord;
    }
    this.#collectors = collectors;
    this.#blockRecords = Math.max(1, Math.floor(importLimits(options.limits).joinBytes / bytes));
  }

  async run(): Promise<void> {
    const { source, wanted } = this.#table(this.#mapping.recordTable);
    let block: TableRow[] = [];
    for await (const row of source.rows(wanted)) {
      block.push(row);
      if (block.length < this.#blockRecords) continue;
      await this.#block(block);
      block = [];
    }
    if (block.length > 0) await this.#block(block);
  }

  async #block(rows: readonly TableRow[]): Promise<void> {
    const main = this.#mapping.recordTable;
    const positions = new Map<string, number>();
    const records = rows.map((row, position): Pending => {
      const id = this.#identifier(main, this.#mapping.tables[main].key, row);
      if (positions.has(id)) {
        throw badValue(
          {
            file: this.#table(main).source.file,
            record: `row ${row.number}`,
            field: this.#mapping.tables[main].key,
          },
          "an identifier that an earlier row has",
          "one row per record in the record table",
        );
      }
      positions.set(id, position);
      return { id, row, labels: {} };
    });
    for (const { collector } of this.#collectors.values()) collector.begin(records.length);
    for (const [position, record] of records.entries()) this.#take(main, position, record.row, records);
    for (const name of this.#tables.keys()) {
      if (name === main) continue;
      const { source, wanted } = this.#table(name);
      for await (const row of source.rows(wanted)) {
        const position = positions.get(this.#identifier(name, this.#mapping.tables[name].key, row));
        if (position !== undefined) this.#take(name, position, row, records);
      }
    }
    records.forEach((record, position) => this.#write(record, position));
  }

  /** Hands one row to everything that reads its table. */
  #take(table: string, position: number, row: TableRow, records: readonly Pending[]): void {
    const record = records[position];
    for (const { table: name, collector } of this.#collectors.values()) {
      if (name === table) collector.row(position, row, (time) => this.#start(time, record.row));
    }
    for (const task of this.#mapping.tasks) {
      if ((task.table ?? this.#mapping.recordTable) === table) this.#label(task, table, row, record);
    }
  }

  #label(task: TaskMapping, table: string, row: TableRow, record: Pending): void {
    const { source, missing, index } = this.#table(table);
    const place = { file: source.file, record: `row ${row.number}`, field: task.column };
    const label = labelOf(task, cellText(row.cells[index(task.column)], missing), place);
    const before = record.labels[task.name] ?? null;
    if (before !== null && label !== null && before !== label) {
      throw badValue(
        place,
        `two labels for the record ${this.#pseudonym(record.id)}`,
        "one label per record and task",
      );
    }
    record.labels[task.name] = before ?? label;
  }

  #start(time: TimeSpec, row: TableRow): number {
    if (time.start === undefined) return 0;
    const { source, index } = this.#table(this.#mapping.recordTable);
    const place = { file: source.file, record: `row ${row.number}`, field: time.start };
    return seconds(row.cells[index(time.start)], time.unit, place);
  }

  #write(record: Pending, position: number): void {
    const { row } = record;
    const values: Record<string, ModalityValue | null> = {};
    for (const [name, { collector }] of this.#collectors) values[name] = collector.value(position);
    for (const [name, item] of Object.entries(this.#mapping.modalities)) {
      if (item.kind === "text") values[name] = this.#text(item.template, row);
    }
    const attributes: Record<string, Attribute> = {};
    for (const [field, column] of Object.entries(this.#mapping.attributes)) {
      const text = this.#cell(column, row);
      const number = text === null || text.length > 15 ? NaN : Number(text);
      attributes[field] = Number.isFinite(number) ? number : text;
    }
    const patient = this.#identifier(this.#mapping.recordTable, this.#mapping.patientColumn, row);
    this.#writer.write({
      id: this.#pseudonym(record.id),
      patient: this.#pseudonym(patient),
      values,
      labels: record.labels,
      attributes,
    });
  }

  #text(template: string, row: TableRow): ModalityValue | null {
    let known = 0;
    const text = template.replace(TEMPLATE_FIELD, (_, column: string) => {
      const value = this.#cell(column, row);
      if (value !== null) known++;
      return value ?? "";
    });
    return known === 0 ? null : { kind: "text", text };
  }

  #cell(column: string, row: TableRow): string | null {
    const { missing, index } = this.#table(this.#mapping.recordTable);
    return cellText(row.cells[index(column)], missing);
  }

  #identifier(table: string, column: string, row: TableRow): string {
    const { source, missing, index } = this.#table(table);
    const text = cellText(row.cells[index(column)], missing);
    if (text !== null) return text;
    throw badValue(
      { file: source.file, record: `row ${row.number}`, field: column },
      "no value",
      "an identifier",
    );
  }

  #table(name: string): UsedTable {
    return this.#tables.get(name) as UsedTable;
  }
}

/** What a waiting record takes besides its numbers: cells, labels and its place in an index; measured. */
const BYTES_PER_RECORD = 2000;

const TEMPLATE_FIELD = /\{([^{}]+)\}/g;

/** Opens the tables that the mapping uses, each with the columns that it needs; checks that they are there. */
async function openUsedTables(
  mapping: TableMapping,
  options: TableImportOptions,
): Promise<ReadonlyMap<string, UsedTable>> {
  const columns = new Map<string, Set<string>>();
  const need = (table: string | undefined, ...names: (string | undefined)[]): void => {
    const name = table ?? mapping.recordTable;
    const set = columns.get(name) ?? new Set([mapping.tables[name].key]);
    for (const column of names) if (column !== undefined) set.add(column);
    columns.set(name, set);
  };
  need(mapping.recordTable, mapping.patientColumn, ...Object.values(mapping.attributes));
  for (const item of Object.values(mapping.modalities)) {
    if (item.kind === "text") {
      need(mapping.recordTable, ...[...item.template.matchAll(TEMPLATE_FIELD)].map((match) => match[1]));
      continue;
    }
    const time = item.kind === "timeseries" ? item.time : item.window?.time;
    need(
      item.table,
      time?.column,
      ...item.channels.flatMap((channel) => [channel.column, channel.where?.column]),
    );
    need(mapping.recordTable, time?.start);
  }
  for (const task of mapping.tasks) need(task.table, task.column);
  const opened = new Map<string, UsedTable>();
  for (const [name, set] of columns) {
    const { file, delimiter, encoding, missing } = mapping.tables[name];
    const source = await openTable(join(options.base, file), { delimiter, encoding }, options.limits);
    const wanted = [...set];
    const absent = wanted.find((column) => !source.columns.includes(column));
    if (absent !== undefined) {
      throw badFile(
        source.file,
        `the table ${name}`,
        `no column ${absent}`,
        `the columns that the mapping names; the file has ${source.columns.slice(0, 20).join(", ")}`,
      );
    }
    const positions = new Map(wanted.map((column, index) => [column, index]));
    const index = (column: string): number => positions.get(column) as number;
    opened.set(name, { source, wanted, missing: new Set(missing), index });
  }
  return opened;
}
