import { FedKimError } from "../../formats/errors.ts";
import { acceptedInterval, lowerBounds } from "./accept.ts";
import { answerRow } from "./answer.ts";
import { type AccountingRow, accountingRows } from "./parse.ts";

/** One recomputed row. */
export type VerifiedRow = {
  /** Name of the row. */
  readonly id: string;
  /** This build's answer. */
  readonly value: number;
  /** Whether it lies in the accepted interval; absent where the row names no answer. */
  readonly accepted?: boolean;
} | {
  /** Name of the row. */
  readonly id: string;
  /** Why there is no answer. */
  readonly error: string;
};

/** A recomputed accounting file. */
export interface VerifiedFile {
  /** Its rows, in order. */
  readonly rows: readonly VerifiedRow[];
}

/**
 * Recomputes every row of an accounting file with this build. Expected values are used for the verdict
 * only.
 * @param file its text, or the parsed value
 * @throws FedKimError FormatError for a file without rows; a row that cannot be answered carries its error
 * instead
 */
export function verifyAccountingFile(file: unknown): VerifiedFile {
  const rows = accountingRows(file);
  const bounds = lowerBounds(rows);
  return { rows: rows.map((row) => verifyRow(row, bounds)) };
}

function verifyRow(row: AccountingRow, bounds: ReadonlyMap<string, number>): VerifiedRow {
  const { id } = row;
  try {
    const value = answerRow(row);
    const interval = acceptedInterval(row, bounds);
    if (interval === undefined || Number.isNaN(interval.low) || Number.isNaN(interval.high)) {
      return { id, value };
    }
    return { id, value, accepted: value >= interval.low && value <= interval.high };
  } catch (error) {
    if (error instanceof FedKimError) return { id, error: `${error.code}: ${error.message}` };
    throw error;
  }
}
