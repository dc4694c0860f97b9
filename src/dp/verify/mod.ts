/**
 * Conformity for auditors: recompute a file of accounting rows with this build.
 *
 * A row names an event, an accountant, a question and, where known, the expected answer. Every row is
 * answered from its event and parameters alone; the expected value is looked at afterwards, for the
 * verdict, by the acceptance rules that the golden file states. Rows that ask something unknown carry an
 * error, never a number.
 *
 * @module
 */
export { verifyAccountingFile } from "./verify.ts";
export type { VerifiedFile, VerifiedRow } from "./verify.ts";
export { acceptedInterval, lowerBounds } from "./accept.ts";
export type { Accepted } from "./accept.ts";
export { accountingRows, parsePythonJson } from "./parse.ts";
export type { AccountingRow } from "./parse.ts";
