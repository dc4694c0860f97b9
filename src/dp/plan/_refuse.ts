import { FedKimError } from "../../formats/errors.ts";

/** A plan whose numbers do not go together. */
export function refusePlan(reason: string, found: string, needed: string, remedy: string): FedKimError {
  return new FedKimError("ConfigError", "The differential-privacy plan is refused.", {
    found,
    needed,
    remedy,
    reason,
  });
}

/** Refuses unless `holds`. */
export function need(holds: boolean, reason: string, found: string, needed: string, remedy: string): void {
  if (!holds) throw refusePlan(reason, found, needed, remedy);
}
