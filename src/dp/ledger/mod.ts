/**
 * A site's privacy ledger: an append-only file that is charged before anything is released, and that says
 * no.
 *
 * Every line is a JSON record with the hash of the line before, written and fsynced before the call
 * returns. The file is locked against a second process, replayed and verified when opened; a last line torn
 * by a power cut stays as evidence and counts as spent. A plan is accepted as a whole schedule against the
 * budget, by PLD; each round is then charged against that schedule, so a charge costs one line and no
 * accounting. Plans chosen after others were seen add up by basic composition, or a Renyi filter decides. Budgets may
 * change: the change is a record of the chain, and spending carries on.
 * The head is countersigned by the aggregator, so that an older copy of the file is noticed.
 *
 * @module
 */
export { Ledger } from "./ledger.ts";
export type { LedgerSources } from "./ledger.ts";
export { openLedger, readLedger } from "./open.ts";
export type { LedgerOptions } from "./open.ts";
export type { LedgerStatus, PopulationStatus } from "./status.ts";
export { Balance } from "./balance.ts";
export { PopulationBalance } from "./population_balance.ts";
export type {
  Affordability,
  BudgetChange,
  Charge,
  Commitment,
  CommittedSchedule,
  LedgerBudget,
  LedgerFilter,
  LedgerHead,
  LedgerRecord,
  RecordBody,
  StepCharge,
  TornLine,
} from "./types.ts";
