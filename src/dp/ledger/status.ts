import { whereSupported } from "../accounting/mod.ts";
import type { DpEvent } from "../events/mod.ts";
import type { Balance } from "./balance.ts";
import type { PopulationBalance } from "./population_balance.ts";
import type { BudgetChange, LedgerBudget, LedgerHead, LedgerRecord } from "./types.ts";

/** Budget, spending and forecast of one population. */
export interface PopulationStatus {
  /** The budget that holds now. */
  readonly budget: Required<LedgerBudget>;
  /**
   * Epsilon of everything charged: by PLD for each plan at its share of delta, the sum over plans, or by the filter
   * where there is one.
   */
  readonly spent: number;
  /** The same by RDP; absent where the Renyi accountant has no bound. */
  readonly spentRdp?: number;
  /** Epsilon of everything that accepted plans may ever charge, by the same rule as `spent`. */
  readonly committed: number;
  /** Budget minus spent, at least 0. */
  readonly left: number;
  /** Delta that no accepted plan has claimed: without any, no further plan fits a signed-schedule budget. */
  readonly deltaLeft: number;
  /** Charged steps. */
  readonly rounds: number;
  /**
   * Steps like the last one that can still be charged: what accepted plans have left, and one more plan with all that
   * is unclaimed. Absent before the first charge.
   */
  readonly roundsLeft?: number;
  /** Everything charged, as an event. */
  readonly spentEvent: DpEvent;
  /** The mechanism charged last. */
  readonly lastEvent?: DpEvent;
}

/** State of a ledger, for reports. */
export interface LedgerStatus {
  /** Name of the site. */
  readonly site: string;
  /** Position of the chain. */
  readonly head: LedgerHead;
  /** When the ledger was opened for the first time. */
  readonly since: string;
  /** One per population. */
  readonly populations: readonly PopulationStatus[];
  /** Lines lost to power cuts, counted as spent. */
  readonly tornLines: number;
  /** Hashes of the plans accepted. */
  readonly plans: readonly string[];
  /** Every budget that was added or changed after the ledger was opened for the first time. */
  readonly budgetChanges: readonly (BudgetChange & {
    /** When, ISO time stamp. */
    readonly at: string;
  })[];
}

function populationStatus(balance: PopulationBalance, records: readonly LedgerRecord[]): PopulationStatus {
  const { budget } = balance;
  const events: DpEvent[] = [];
  for (const record of records) {
    if (record.type !== "charge") continue;
    for (const c of record.charges) if (c.population === budget.population) events.push(c.event);
  }
  const spentEvent = balance.spentEvent();
  const spent = balance.spentEpsilon();
  const spentRdp = whereSupported(() => balance.spentEpsilon("rdp"));
  const last = events.at(-1);
  return {
    budget,
    spent,
    ...(spentRdp === undefined ? {} : { spentRdp }),
    committed: balance.committedEpsilon(),
    left: Math.max(0, budget.epsilon - spent),
    deltaLeft: balance.deltaLeft(),
    rounds: events.length,
    spentEvent,
    ...(last === undefined ? {} : { lastEvent: last, roundsLeft: balance.roundsLeft(last) }),
  };
}

/** Status of replayed records. */
export function statusOf(
  records: readonly LedgerRecord[],
  balance: Balance,
  pendingTorn: number,
): LedgerStatus {
  const open = records[0] as LedgerRecord & { type: "open" };
  const { sequence, hash } = records[records.length - 1];
  let tornLines = pendingTorn;
  const plans: string[] = [];
  const budgetChanges: LedgerStatus["budgetChanges"][number][] = [];
  for (const record of records) {
    if (record.type === "torn") tornLines += record.lines.length;
    if (record.type === "commit") plans.push(record.planHash);
    if (record.type === "budget") {
      budgetChanges.push(...record.changes.map((change) => ({ ...change, at: record.at })));
    }
  }
  return {
    site: open.site,
    head: { sequence, hash },
    since: open.at,
    populations: [...balance.populations.values()].map((p) => populationStatus(p, records)),
    tornLines,
    plans,
    budgetChanges,
  };
}
