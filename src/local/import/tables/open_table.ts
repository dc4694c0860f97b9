import type { ImportLimits } from "../limits.ts";
import { openSource, readAt } from "../source_files.ts";
import { openCsv } from "./csv_table.ts";
import { openParquet } from "./parquet_table.ts";
import type { TableFormat, TableSource } from "./table_source.ts";

/**
 * Opens a table of any supported kind; the kind is seen by the first bytes, not by the name.
 *
 * @param file a CSV file, plain or gzip, or a Parquet file
 * @param format delimiter and encoding, should it be a CSV file
 * @param limits bounds
 * @throws FedKimError `DatasetError` when it cannot be opened, `FormatError` when it is damaged
 */
export async function openTable(
  file: string,
  format: TableFormat = { delimiter: ",", encoding: "utf-8" },
  limits: Partial<ImportLimits> = {},
): Promise<TableSource> {
  const handle = await openSource(file);
  const magic = new TextDecoder("latin1").decode(readAt(handle, 0, 4));
  handle.close();
  return magic === "PAR1" ? await openParquet(file, limits) : await openCsv(file, format, limits);
}
