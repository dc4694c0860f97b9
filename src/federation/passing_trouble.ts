import type { FedKimError } from "../formats/errors.ts";

/** A lost connection and a full disk. */
const CODES: ReadonlySet<string> = new Set(["NetworkError", "StoreError"]);

/**
 * True for trouble of the moment, which says nothing about a plan: the site comes again when there is room or a
 * connection, and the other sites need not wait for another plan.
 * @param error what happened while a plan was prepared
 */
export function passes(error: FedKimError): boolean {
  return CODES.has(error.code) || (error.code === "LedgerError" && error.details.reason === "unwritable");
}
