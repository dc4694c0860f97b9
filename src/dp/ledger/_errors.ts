import { FedKimError } from "../../formats/errors.ts";

/** A ledger that cannot be used. */
export function ledgerError(reason: string, summary: string, found: string, remedy: string): FedKimError {
  return new FedKimError("LedgerError", summary, { found, remedy, reason });
}

/** A charge or commitment that the budget does not cover. */
export function overBudget(found: string, needed: string): FedKimError {
  return new FedKimError("BudgetExceeded", "The privacy ledger refuses: the budget would be exceeded.", {
    found,
    needed,
    remedy: "use fewer steps or more noise, or agree on another budget with the data-protection officer",
  });
}
