/** One check of `fedkim doctor`: it passes with what it found, or fails with what to do. @module */
import { FedKimError } from "../src/formats/errors.ts";
import { missingPermission } from "../src/formats/missing_permission.ts";

/** What a check found. */
export interface Check {
  /** What was checked. */
  readonly name: string;
  /** Whether all is well. */
  readonly ok: boolean;
  /** What was found; for a failure with what to do. */
  readonly detail: string;
  /** What to do about a failure. */
  readonly remedy?: string;
}

/**
 * Runs a check.
 * @param remedy what to do where the failure does not say so itself
 */
export async function check(
  name: string,
  remedy: string,
  test: () => string | Promise<string>,
): Promise<Check> {
  try {
    return { name, ok: true, detail: await test() };
  } catch (caught) {
    const error = missingPermission(caught) ?? caught;
    if (error instanceof FedKimError && error.details.remedy !== undefined) {
      return { name, ok: false, detail: error.message, remedy: error.details.remedy };
    }
    const found = error instanceof Error ? error.message : String(error);
    return { name, ok: false, detail: `${found.replace(/[.]$/, "")}. What to do: ${remedy}.`, remedy };
  }
}
