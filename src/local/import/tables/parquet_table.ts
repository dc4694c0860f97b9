import {
  asyncBufferFromFile,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
} from "hyparquet";
import {
  decompressBrotli,
  decompressGzip,
  decompressLz4,
  decompressLz4Raw,
  decompressSnappy,
  decompressZstd,
} from "hyparquet-compressors";
import { FedKimError } from "../../../formats/errors.ts";
import { type ImportLimits, importLimits } from "../limits.ts";
import { badFile, badValue, causeText } from "../source_errors.ts";
import { openSource } from "../source_files.ts";
import { checkPages } from "./_parquet_pages.ts";
import type { Cell, TableRow, TableSource } from "./table_source.ts";

type ParquetFile = Awaited<ReturnType<typeof asyncBufferFromFile>>;

/**
 * Opens a Parquet file with flat columns; row groups are decoded one at a time, and of each only the wanted columns.
 *
 * @param file the file
 * @param limits bounds on cells and page sizes
 * @throws FedKimError `DatasetError` when it cannot be opened, `FormatError` when it is damaged
 */
export async function openParquet(file: string, limits: Partial<ImportLimits> = {}): Promise<TableSource> {
  const bounds = importLimits(limits);
  (await openSource(file)).close();
  try {
    const buffer = await asyncBufferFromFile(file);
    const metadata = await parquetMetadataAsync(buffer);
    // Columns with children (lists, structs) have no place in a table of cells and are not offered.
    const columns = parquetSchema(metadata).children.filter((child) =>
      child.children.length === 0 && child.element.repetition_type !== "REPEATED"
    ).map((child) => child.element.name);
    return { file, columns, rows: (wanted) => parquetRows(file, buffer, metadata, wanted, bounds) };
  } catch (cause) {
    throw badFile(file, "Parquet", causeText(cause), undefined, cause);
  }
}

async function* parquetRows(
  file: string,
  buffer: ParquetFile,
  metadata: FileMetaData,
  wanted: readonly string[],
  bounds: ImportLimits,
): AsyncGenerator<TableRow> {
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    if (!(rows >= 0) || rows * Math.max(1, wanted.length) > bounds.cellsAtOnce) {
      throw badFile(
        file,
        "Parquet",
        `a row group of ${rows} rows`,
        `at most ${
          Math.floor(bounds.cellsAtOnce / Math.max(1, wanted.length))
        } rows for ${wanted.length} columns`,
      );
    }
    await checkGroup(file, buffer, group, wanted, rows);
    const columns = await readGroup(file, buffer, metadata, wanted, rowStart, rows, bounds);
    for (let row = 0; row < rows; row++) {
      const number = rowStart + row + 1;
      yield {
        number,
        cells: columns.map((values, index) => cell(values[row], file, number, wanted[index])),
      };
    }
    rowStart += rows;
  }
}

/** Refuses a row group whose pages claim more than its rows, before room is made for it. */
async function checkGroup(
  file: string,
  buffer: ParquetFile,
  group: FileMetaData["row_groups"][number],
  wanted: readonly string[],
  rows: number,
): Promise<void> {
  try {
    for (const chunk of group.columns) {
      if (!wanted.includes(chunk.meta_data?.path_in_schema.join(".") ?? "")) continue;
      await checkPages(async (from, to) => await buffer.slice(from, to), chunk, rows);
    }
  } catch (cause) {
    throw badFile(file, "Parquet", causeText(cause), undefined, cause);
  }
}

async function readGroup(
  file: string,
  buffer: ParquetFile,
  metadata: FileMetaData,
  wanted: readonly string[],
  rowStart: number,
  rows: number,
  bounds: ImportLimits,
): Promise<unknown[][]> {
  const columns = wanted.map(() => new Array<unknown>(rows));
  const filled = wanted.map(() => 0);
  try {
    await parquetRead({
      file: buffer,
      metadata,
      columns: [...wanted],
      rowStart,
      rowEnd: rowStart + rows,
      compressors: boundedCompressors(bounds.wholeFileBytes),
      onChunk: ({ columnName, columnData, rowStart: first }) => {
        const index = wanted.indexOf(columnName);
        for (let i = 0; i < columnData.length; i++) {
          const row = first + i - rowStart;
          if (row < 0 || row >= rows) continue;
          columns[index][row] = columnData[i];
          filled[index]++;
        }
      },
    });
  } catch (cause) {
    if (cause instanceof FedKimError) throw cause;
    throw badFile(file, "Parquet", causeText(cause), undefined, cause);
  }
  const short = filled.findIndex((count) => count !== rows);
  if (short >= 0) {
    throw badFile(file, "Parquet", `${filled[short]} values of ${rows} in column ${wanted[short]}`);
  }
  return columns;
}

/** Decompressors that refuse a page before its output is allocated. */
function boundedCompressors(limit: number): Compressors {
  const bounded = (decompress: (input: Uint8Array, length: number) => Uint8Array) => {
    return (input: Uint8Array, length: number): Uint8Array => {
      if (length > limit) {
        throw new Error(`a page that inflates to ${length} bytes; at most ${limit} are read`);
      }
      return decompress(input, length);
    };
  };
  return {
    SNAPPY: bounded(decompressSnappy),
    GZIP: bounded(decompressGzip),
    BROTLI: bounded(decompressBrotli),
    ZSTD: bounded((input, length) => decompressZstd(input, new Uint8Array(length))),
    LZ4: bounded(decompressLz4),
    LZ4_RAW: bounded(decompressLz4Raw),
  };
}

function cell(value: unknown, file: string, row: number, column: string): Cell {
  if (value === undefined || value === null) return null;
  if (value instanceof Date) return value;
  switch (typeof value) {
    case "string":
    case "number":
    case "bigint":
    case "boolean":
      return value;
    default:
      throw badValue(
        { file, record: `row ${row}`, field: column },
        "a nested or binary value",
        "a number, a text, a date or a truth value",
      );
  }
}
