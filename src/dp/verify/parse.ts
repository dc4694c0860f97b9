import { FedKimError } from "../../formats/errors.ts";

/** One row of an accounting file: a question with an answer to compare with. */
export interface AccountingRow {
  /** Name of the row. */
  readonly id: string;
  /** Event tree, or null for formula rows. */
  readonly composition?: unknown;
  /** Which accountant, with its options. */
  readonly accountant?: {
    readonly name?: string;
    readonly orders?: string;
    readonly method?: string;
    readonly value_discretization_interval?: number;
  };
  /** What is asked. */
  readonly query?: string;
  /** Parameters of formula and calibration rows. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** Given or expected epsilon. */
  readonly epsilon?: number | null;
  /** Given or expected delta. */
  readonly delta?: number | null;
  /** Neighbouring relation. */
  readonly neighboring?: string | null;
  /** Everything else, for the acceptance rules. */
  readonly [field: string]: unknown;
}

/**
 * JSON as Python writes it: bare Infinity and NaN outside of strings become numbers that JSON.parse
 * accepts.
 */
export function parsePythonJson(text: string): unknown {
  const repaired = text.replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g, (token) => {
    if (token.startsWith('"')) return token;
    return token === "NaN" ? "null" : token.replace("Infinity", "1e999");
  });
  return JSON.parse(repaired);
}

/**
 * Rows of an accounting file, given as text or already parsed; a bare list of rows is one too.
 * @throws FedKimError FormatError
 */
export function accountingRows(file: unknown): readonly AccountingRow[] {
  let value = file;
  if (typeof file === "string") {
    try {
      value = parsePythonJson(file);
    } catch (cause) {
      throw new FedKimError("FormatError", "The accounting file is not JSON.", {
        needed: "a JSON object with a list `rows`",
        cause,
      });
    }
  }
  const rows = Array.isArray(value) ? value : (value as { rows?: unknown } | null)?.rows;
  const fine = Array.isArray(rows) &&
    rows.every((row) => typeof row === "object" && row !== null && typeof row.id === "string");
  if (!fine) {
    throw new FedKimError("FormatError", "The accounting file has no rows.", {
      found: Array.isArray(rows) ? "a row without an id" : typeof rows,
      needed: "a JSON object with a list `rows` of objects with an `id`",
    });
  }
  return rows;
}
