import { z } from "zod";

/** What an importer or `dataset inspect` warns about; stable names for machines. */
export type ImportWarningCode =
  | "burned_in_annotation"
  | "burned_in_annotation_unknown"
  | "identifying_tag"
  | "identifying_field"
  | "identifying_text"
  | "identifying_patient"
  | "patient_assumed"
  | "record_skipped"
  | "unit_assumed"
  | "unit_suspicious"
  | "value_out_of_range"
  | "value_unreadable"
  | "constant_channel"
  | "all_missing"
  | "one_class"
  | "no_label"
  | "no_record"
  | "patient_in_several_parts"
  | "record_in_several_parts";

/** One kind of finding at one place, with how often it occurred; never a value. */
export interface ImportWarning {
  /** Stable name. */
  readonly code: ImportWarningCode;
  /** The field, tag, channel or task. */
  readonly where: string;
  /** What it means and what to do. */
  readonly message: string;
  /** How often. */
  readonly count: number;
}

/** What an import did; `import.json` in the dataset's folder. */
export interface ImportReport {
  /** Format and version. */
  readonly format: "fedkim-import-report/1";
  /** Kind of the source. */
  readonly source: string;
  /** Records written. */
  readonly records: number;
  /** Patients (values of the patient field). */
  readonly patients: number;
  /** Findings, most frequent first. */
  readonly warnings: readonly ImportWarning[];
}

const warning: z.ZodType<ImportWarning> = z.object({
  code: z.string().transform((code) => code as ImportWarningCode),
  where: z.string(),
  message: z.string(),
  count: z.number().int().nonnegative(),
});

/** The schema of `import.json`. */
export const importReportSchema: z.ZodType<ImportReport> = z.object({
  format: z.literal("fedkim-import-report/1"),
  source: z.string(),
  records: z.number().int().nonnegative(),
  patients: z.number().int().nonnegative(),
  warnings: z.array(warning),
});

/** Collects findings by code and place, so that a million equal ones cost one entry. */
export class WarningList {
  readonly #byKey = new Map<string, { warning: ImportWarning; count: number }>();

  /**
   * Adds a finding.
   *
   * @param code stable name
   * @param where field, tag, channel or task
   * @param message meaning and remedy; the first one at a place is kept
   * @param count how often
   */
  add(code: ImportWarningCode, where: string, message: string, count = 1): void {
    const key = `${code}\u0000${where}`;
    const entry = this.#byKey.get(key);
    if (entry === undefined) this.#byKey.set(key, { warning: { code, where, message, count }, count });
    else entry.count += count;
  }

  /** The findings, most frequent first, then by code and place. */
  list(): ImportWarning[] {
    return [...this.#byKey.values()].map(({ warning, count }) => ({ ...warning, count }))
      .sort((a, b) => b.count - a.count || (`${a.code} ${a.where}` < `${b.code} ${b.where}` ? -1 : 1));
  }
}
