import { createHash } from "node:crypto";

/** One public patient in this many is held out for validation: every choice is made on it, never on test data. */
const VALIDATION_SHARE = 5;

/** True where a public patient belongs to the validation split; by patient, so that no one is on both sides. */
export function isValidationPatient(set: string, patient: string): boolean {
  return createHash("sha256").update(`fedkim/public-validation/${set}/${patient}`).digest()[0] %
      VALIDATION_SHARE === 0;
}
