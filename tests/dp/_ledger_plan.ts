import type { Charge, CommittedSchedule, DpEvent, LedgerBudget } from "../../src/dp/mod.ts";

/** One step of the plan that the ledger tests charge. */
export const STEP: DpEvent = { type: "poisson", q: 0.01, event: { type: "gaussian", sigma: 2 } };
/** Its number of steps. */
export const STEPS = 100_000;
/** Its hash. */
export const PLAN_HASH = "ab".repeat(32);
/** The budget: the plan fits. */
export const BUDGETS: readonly LedgerBudget[] = [
  {
    population: "icu",
    unit: "patient",
    neighboring: "add_or_remove_one",
    epsilon: 20,
    delta: 1e-5,
  },
];
/** The whole plan. */
export const SCHEDULES: readonly CommittedSchedule[] = [
  { population: "icu", schedule: { type: "self_composed", event: STEP, count: STEPS } },
];
/** One step of it. */
export const charges: readonly Charge[] = [{ population: "icu", event: STEP }];

/** How many steps an event stands for. */
export function stepsOf(event: DpEvent): number {
  if (event.type === "no_op") return 0;
  return event.type === "self_composed" ? event.count : 1;
}
