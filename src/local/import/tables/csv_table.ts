import { type ImportLimits, importLimits } from "../limits.ts";
import { badFile, badValue, causeText } from "../source_errors.ts";
import { inflate, openSource, readAt } from "../source_files.ts";
import { FedKimError } from "../../../formats/errors.ts";
import { CsvParser } from "./_csv_parser.ts";
import type { TableFormat, TableRow, TableSource } from "./table_source.ts";

/**
 * Opens a CSV file, plain or gzip (seen by its first bytes), with a header row.
 *
 * @param file the file
 * @param format delimiter and encoding
 * @param limits bounds on rows and inflation
 * @throws FedKimError `DatasetError` when it cannot be opened or has no usable header
 */
export async function openCsv(
  file: string,
  format: TableFormat,
  limits: Partial<ImportLimits> = {},
): Promise<TableSource> {
  const bounds = importLimits(limits);
  let columns: string[] | undefined;
  for await (const row of rawRows(file, format, bounds)) {
    columns = row.map((name) => name.trim());
    break;
  }
  if (columns === undefined) {
    throw badFile(file, "CSV", "no header row", "a first row with the columns' names");
  }
  const twice = columns.find((name, index) => name === "" || columns?.indexOf(name) !== index);
  if (twice !== undefined) {
    const found = twice === "" ? "a column without a name" : `the column ${twice} twice`;
    throw badFile(file, "CSV", found, "a header row with unique names");
  }
  const header = columns;
  return { file, columns: header, rows: (wanted) => csvRows(file, format, bounds, header, wanted) };
}

async function* csvRows(
  file: string,
  format: TableFormat,
  bounds: ImportLimits,
  columns: readonly string[],
  wanted: readonly string[],
): AsyncGenerator<TableRow> {
  const picks = wanted.map((name) => columns.indexOf(name));
  let number = -1;
  for await (const row of rawRows(file, format, bounds)) {
    number++;
    if (number === 0) continue;
    if (row.length !== columns.length) {
      throw badValue(
        { file, record: `row ${number}` },
        `${row.length} fields`,
        `${columns.length} fields as in the header`,
        "check the delimiter and the quotes of this row",
      );
    }
    yield { number, cells: picks.map((index) => row[index]) };
  }
}

async function* rawRows(file: string, format: TableFormat, bounds: ImportLimits): AsyncGenerator<string[]> {
  const decoder = new TextDecoder(format.encoding, { fatal: true });
  const parser = new CsvParser(format.delimiter);
  let complete = 0;
  for await (const chunk of plainBytes(file, bounds)) {
    let text: string;
    try {
      text = decoder.decode(chunk, { stream: true });
    } catch (cause) {
      throw badFile(
        file,
        "CSV",
        `bytes that are not ${format.encoding}`,
        "the encoding that the mapping states",
        cause,
      );
    }
    for (const row of parser.push(text)) {
      complete++;
      yield row;
    }
    if (parser.pendingCharacters > bounds.rowCharacters) {
      throw badFile(
        file,
        "CSV",
        `row ${complete} is longer than ${bounds.rowCharacters} characters`,
        "shorter rows; a quote that is never closed gives such a row",
      );
    }
  }
  try {
    decoder.decode();
  } catch (cause) {
    throw badFile(file, "CSV", "an unfinished character at the end", "a complete file", cause);
  }
  if (parser.insideQuotes) throw badFile(file, "CSV", "a quote that is never closed", "a complete file");
  yield* parser.end();
}

async function* plainBytes(file: string, bounds: ImportLimits): AsyncGenerator<Uint8Array> {
  const handle = await openSource(file);
  const start = readAt(handle, 0, 4);
  if (start[0] === 0x50 && start[1] === 0x4b && start[2] <= 8) {
    handle.close();
    throw badFile(file, "CSV", "a ZIP archive", "the CSV file that is inside it");
  }
  handle.seekSync(0, Deno.SeekMode.Start);
  if (start[0] === 0x1f && start[1] === 0x8b) {
    yield* inflate(handle.readable, "gzip", file, bounds.inflatedBytes);
    return;
  }
  try {
    yield* handle.readable;
  } catch (cause) {
    if (cause instanceof FedKimError) throw cause;
    throw badFile(file, "CSV", causeText(cause), "a readable file", cause);
  }
}
