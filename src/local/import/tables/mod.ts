/**
 * Tables of a hospital's data warehouse as a dataset: CSV, gzip CSV and Parquet with a column mapping.
 *
 * {@link openTable} sees the kind by the first bytes and gives a {@link TableSource} that is read row by row, as
 * often as needed. {@link parseTableMapping} checks a mapping (`fedkim-import/1`): which table has one row per
 * record, who a record belongs to, and which columns become vectors, timeseries, texts and labels, in which units.
 * {@link importTables} joins the tables block by block under a fixed memory bound and writes the folder.
 *
 * @module
 */
export type { Label } from "../../dataset.ts";
export type { Cell, TableFormat, TableRow, TableSource } from "./table_source.ts";
export { openCsv } from "./csv_table.ts";
export { openParquet } from "./parquet_table.ts";
export { openTable } from "./open_table.ts";
export {
  type ChannelSpec,
  type ModalityMapping,
  parseTableMapping,
  type TableMapping,
  type TableSpec,
  type TaskMapping,
  type TextMapping,
  type TimeseriesMapping,
  type TimeSpec,
  type VectorMapping,
} from "./table_mapping.ts";
export {
  type ColumnTask,
  columnTaskShape,
  type LabelRow,
  labelTableShape,
  type LabelTableSpec,
  readLabelTable,
} from "./label_table.ts";
export { importTables, type TableImportOptions } from "./import_tables.ts";
