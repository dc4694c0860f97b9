import { FedKimError } from "../../formats/errors.ts";
import type { Affordability } from "./types.ts";

/** A ledger that cannot be used. */
export function ledgerError(reason: string, summary: string, found: string, remedy: string): FedKimError {
  return new FedKimError("LedgerError", summary, { found, remedy, reason });
}

/** A charge or commitment that the budget does not cover. */
export function overBudget(found: string, needed: string, remedy: string): FedKimError {
  return new FedKimError("BudgetExceeded", "The privacy ledger refuses: the budget would be exceeded.", {
    found,
    needed,
    remedy,
  });
}

/** A plan that does not fit: for want of delta or of epsilon. */
export function refusedPlan(over: Affordability): FedKimError {
  const { population, epsilon, share, deltaLeft, budget, budgetDelta } = over;
  if (epsilon === Infinity) {
    return overBudget(
      `delta ${share} asked for ${population}, where earlier plans have left ${deltaLeft} of ${budgetDelta}`,
      "a share of the budget's delta that no other plan has claimed",
      `make each plan for a part of delta ${budgetDelta}, such as a quarter of it, and commit it with that part; or ` +
        "raise the budget's delta; or choose a Renyi filter, before the first plan: it needs no shares",
    );
  }
  return overBudget(
    `epsilon ${epsilon.toPrecision(5)} for ${population} with this plan, which takes delta ${share}`,
    `at most epsilon ${budget}`,
    "use fewer steps or more noise, or agree on another budget with the data-protection officer",
  );
}
