import type { DpEvent, Neighboring } from "../events/mod.ts";
import type { PrivacyUnit } from "../plan/mod.ts";

/**
 * How further spending is decided. `signed_schedule`: whole schedules are committed in advance and PLD
 * decides; a second schedule, chosen after the first was seen, adds its own epsilon and delta (basic
 * composition, which holds for adaptive choices). `renyi`: a filter at one order fixed in advance, valid
 * for events chosen along the way (Feldman and Zrnic 2021).
 */
export type LedgerFilter =
  | { readonly type: "signed_schedule" }
  | { readonly type: "renyi"; readonly order: number };

/** What one population of a site may spend, over all plans. */
export interface LedgerBudget {
  /** Name of the population. */
  readonly population: string;
  /** Whose presence is hidden. */
  readonly unit: PrivacyUnit;
  /** Neighbouring relation of the guarantee. */
  readonly neighboring: Neighboring;
  /** Largest epsilon. */
  readonly epsilon: number;
  /** At this delta. */
  readonly delta: number;
  /** Default `signed_schedule`. */
  readonly filter?: LedgerFilter;
}

/** The schedule of one population under a plan. */
export interface CommittedSchedule {
  /** Name of the population. */
  readonly population: string;
  /** Everything that the plan may ever charge to it. */
  readonly schedule: DpEvent;
}

/** A plan that the site has accepted. */
export interface Commitment {
  /** SHA-256 of the plan. */
  readonly planHash: string;
  /** One schedule per population. */
  readonly schedules: readonly CommittedSchedule[];
  /**
   * Share of each population's delta that this plan uses, as a rule the plan's own delta; default: all that is left,
   * so that no further plan fits a signed-schedule budget.
   */
  readonly delta?: number;
}

/** One charge to one population. */
export interface Charge {
  /** Name of the population. */
  readonly population: string;
  /** What is about to be released. */
  readonly event: DpEvent;
}

/** All charges of one step. */
export interface StepCharge {
  /** SHA-256 of the plan. */
  readonly planHash: string;
  /** Round number in the plan, charged once. */
  readonly round: number;
  /** One charge per population. */
  readonly charges: readonly Charge[];
}

/** Position of a ledger: what the aggregator countersigns. */
export interface LedgerHead {
  /** Sequence number of the last record. */
  readonly sequence: number;
  /** Its SHA-256. */
  readonly hash: string;
}

/** Bytes of a line that was being written when power was lost. */
export interface TornLine {
  /** Its length. */
  readonly bytes: number;
  /** Its SHA-256. */
  readonly sha256: string;
}

/** A budget that was added or changed after the ledger was opened; spending carries on. */
export interface BudgetChange {
  /** Name of the population. */
  readonly population: string;
  /** The budget until then; null where the population is new. */
  readonly from: Required<LedgerBudget> | null;
  /** The budget from then on. */
  readonly to: Required<LedgerBudget>;
}

/** The body of a record, without its place in the chain. */
export type RecordBody =
  | {
    readonly type: "open";
    readonly format: "fedkim-ledger/1";
    readonly site: string;
    readonly budgets: readonly Required<LedgerBudget>[];
    readonly at: string;
  }
  | { readonly type: "budget"; readonly changes: readonly BudgetChange[]; readonly at: string }
  | {
    readonly type: "commit";
    readonly planHash: string;
    readonly schedules: readonly (CommittedSchedule & { readonly delta: number })[];
    readonly at: string;
  }
  | ({ readonly type: "charge"; readonly at: string } & StepCharge)
  | {
    readonly type: "torn";
    readonly lines: readonly TornLine[];
    readonly charges: readonly Charge[];
    readonly at: string;
  };

/** A record: its body, its sequence number, the hash of the record before it, its salt and its own hash. */
export type LedgerRecord = RecordBody & {
  /** 0 for the first record. */
  readonly sequence: number;
  /** SHA-256 of the record before, 64 zeros for the first. */
  readonly previous: string;
  /**
   * 32 random bytes of this record, hexadecimal, that never leave the site: without them its hash could be found by
   * trying contents. Absent in records of versions that had none.
   */
  readonly salt?: string;
  /** SHA-256 of the canonical JSON of everything else. */
  readonly hash: string;
};

/** What a commitment would do to one population. */
export interface Affordability {
  /** Name of the population. */
  readonly population: string;
  /** Epsilon after it, upper bound; Infinity where its share of delta is not there. */
  readonly epsilon: number;
  /** Delta claimed after it, its own share included. */
  readonly delta: number;
  /** Its own share of delta. */
  readonly share: number;
  /** Delta that no plan has claimed before it. */
  readonly deltaLeft: number;
  /** Epsilon of the budget. */
  readonly budget: number;
  /** Delta of the budget. */
  readonly budgetDelta: number;
  /** True where the budget would be exceeded. */
  readonly exceeds: boolean;
}
