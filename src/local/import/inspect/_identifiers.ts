import type { WarningList } from "../import_report.ts";

/** Fields whose name says that they identify a person. */
const FIELD =
  /^(.*[_.])?((first|last|full|family|given|patient|birth|maiden|middle)_?name|name|surname|mrn|ssn|dob|birth_?(date|day)|date_of_birth|(street_?)?address|street|zip(_?code)?|post_?code|phone|telephone|mobile|e_?mail|nhs_?number|insurance_?(id|number)|passport)$/i;

/** Patterns in texts (the identifiers of HIPAA, 45 CFR 164.514(b)(2), that a pattern can find). */
const TEXT: readonly (readonly [string, RegExp])[] = [
  [
    "a person's name",
    /\b(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.?\s+[A-Z][a-z]+|\b(?:patient|name)\s*:\s*[A-Z][a-z]+[ ,]+[A-Z][a-z]+/,
  ],
  ["a person's name in DICOM form", /^[A-Za-z'-]{2,}\^[A-Za-z'-]*/],
  [
    "a medical record number",
    /\b(?:MRN|medical record (?:number|no)|hospital (?:number|no)|case (?:number|no))\b\W{0,4}[A-Z]{0,3}\d{4,}/i,
  ],
  [
    "a date of birth",
    /\b(?:DOB|D\.O\.B\.?|date of birth|born(?: on)?)\W{0,4}(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|[A-Z][a-z]+ \d{1,2},? \d{4}|\d{1,2}\.? [A-Z][a-z]+ \d{4})/i,
  ],
  ["a social security number", /\b\d{3}-\d{2}-\d{4}\b/],
  ["an e-mail address", /\b[\w.+-]+@[\w-]+\.[a-z]{2,}/i],
  ["a telephone number", /(?:^|[^\d-])\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}\b/],
  [
    "a calendar date",
    /\b(?:19|20)\d{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b|\b(?:0?[1-9]|1[0-2])\/(?:0?[1-9]|[12]\d|3[01])\/(?:19|20)\d{2}\b/,
  ],
];

const PATIENT: readonly (readonly [string, RegExp])[] = [
  ["a person's name", /^[A-Za-z'-]{2,}\^[A-Za-z'-]*|^[A-Z][a-z]+,? [A-Z][a-z]+$/],
  ["an e-mail address", /^[\w.+-]+@[\w-]+\.[a-z]{2,}$/i],
  ["a social security number", /^\d{3}-\d{2}-\d{4}$/],
  ["a medical record number", /^(?:MRN\W*)?\d{6,10}$/i],
];

/** Ages above 89 are to be grouped (45 CFR 164.514(b)(2)(i)(C)); 90 is how groups are usually written. */
const OLDEST_SAFE_AGE = 90;

/**
 * Looks for identifiers in one record of `records.jsonl`; what is found is counted, never shown.
 *
 * @param record the parsed line
 * @param patientField field that says who it belongs to
 * @param skipped fields that hold numbers of modalities
 * @param warnings receives the findings
 */
export function warnOfPersons(
  record: Readonly<Record<string, unknown>>,
  patientField: string,
  skipped: ReadonlySet<string>,
  warnings: WarningList,
): void {
  for (const [field, value] of Object.entries(record)) {
    if (skipped.has(field) || value === null) continue;
    if (field === patientField || field === "id") {
      for (const [what, pattern] of PATIENT) {
        if (pattern.test(String(value))) {
          const message = `looks like ${what}: import with a pseudonym key`;
          warnings.add("identifying_patient", field, message);
          break;
        }
      }
      continue;
    }
    if (FIELD.test(field)) {
      warnings.add(
        "identifying_field",
        field,
        "the field's name says that it identifies a person: leave it out",
      );
    } else if (typeof value === "string") {
      for (const [what, pattern] of TEXT) {
        if (pattern.test(value)) {
          warnings.add("identifying_text", `${field} (${what})`, `holds ${what}: remove or mask it`);
        }
      }
    } else if (/^age(_years)?$/i.test(field) && typeof value === "number" && value > OLDEST_SAFE_AGE) {
      const message =
        `ages above ${OLDEST_SAFE_AGE} identify a person; write ${OLDEST_SAFE_AGE} for all of them`;
      warnings.add("identifying_field", field, message);
    } else if (typeof value === "object" && !Array.isArray(value)) {
      warnOfPersons(value as Record<string, unknown>, patientField, skipped, warnings);
    }
  }
}
