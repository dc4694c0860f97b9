/** A cell as its file has it; null = no value. */
export type Cell = string | number | bigint | boolean | Date | null;

/** One row: the wanted columns in the order in which they were asked for. */
export interface TableRow {
  /** 1-based number among the rows of data, for messages. */
  readonly number: number;
  /** Cells of the wanted columns. */
  readonly cells: readonly Cell[];
}

/** A table on disk that can be read several times, row by row. */
export interface TableSource {
  /** The file. */
  readonly file: string;
  /** Names of its columns. */
  readonly columns: readonly string[];
  /**
   * Streams the rows.
   *
   * @param wanted columns that the caller needs, each among {@link columns}
   * @throws FedKimError `FormatError` when the file is damaged, `DatasetError` when a row does not fit
   */
  rows(wanted: readonly string[]): AsyncGenerator<TableRow>;
}

/** How a table is stored. */
export interface TableFormat {
  /** Character between the fields of a CSV file. */
  readonly delimiter: string;
  /** Encoding of a CSV file. */
  readonly encoding: "utf-8" | "windows-1252";
}
