import { FedKimError } from "../../formats/errors.ts";
import { type Accountant, epsilonAt, maxSteps } from "../accounting/mod.ts";
import type { DpEvent } from "../events/mod.ts";
import type { Balance, PopulationBalance } from "./balance.ts";
import type { LedgerBudget, LedgerHead, LedgerRecord } from "./types.ts";

/** Budget, spending and forecast of one population. */
export interface PopulationStatus {
  /** The budget. */
  readonly budget: Required<LedgerBudget>;
  /** Epsilon of everything charged, by PLD. */
  readonly spent: number;
  /** The same by RDP; absent where the Renyi accountant has no bound. */
  readonly spentRdp?: number;
  /** Epsilon of everything that accepted plans may ever charge, by PLD. */
  readonly committed: number;
  /** Budget minus spent, at least 0. */
  readonly left: number;
  /** Charged steps. */
  readonly rounds: number;
  /**
   * Steps like the last one that the budget still covers beyond those charged; absent before the first
   * charge.
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
}

function epsilonOf(event: DpEvent, budget: LedgerBudget, accountant: Accountant): number {
  return epsilonAt(event, budget.delta, { neighboring: budget.neighboring, accountant }).epsilon;
}

function renyi(event: DpEvent, budget: LedgerBudget): Pick<PopulationStatus, "spentRdp"> {
  try {
    return { spentRdp: epsilonOf(event, budget, "rdp") };
  } catch (error) {
    if (error instanceof FedKimError && error.code === "UnsupportedDpEvent") return {};
    throw error;
  }
}

function populationStatus(balance: PopulationBalance, records: readonly LedgerRecord[]): PopulationStatus {
  const { budget } = balance;
  const events: DpEvent[] = [];
  for (const record of records) {
    if (record.type !== "charge") continue;
    for (const c of record.charges) if (c.population === budget.population) events.push(c.event);
  }
  const spentEvent = balance.spentEvent();
  const spent = epsilonOf(spentEvent, budget, "pld");
  const last = events.at(-1);
  return {
    budget,
    spent,
    ...renyi(spentEvent, budget),
    committed: epsilonOf(balance.committedEvent(), budget, "pld"),
    left: Math.max(0, budget.epsilon - spent),
    rounds: events.length,
    spentEvent,
    ...(last === undefined ? {} : { lastEvent: last, roundsLeft: forecast(spentEvent, last, budget) }),
  };
}

/** Steps like `step` that fit into the budget after `spent`. */
function forecast(spent: DpEvent, step: DpEvent, budget: LedgerBudget): number {
  const { epsilon, delta, neighboring } = budget;
  const eventOf = (steps: number): DpEvent => ({
    type: "composed",
    events: [spent, { type: "self_composed", event: step, count: steps }],
  });
  return maxSteps(eventOf, { epsilon, delta, neighboring, gridInterval: 1e-3 }, 1_000_000);
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
  for (const record of records) {
    if (record.type === "torn") tornLines += record.lines.length;
    if (record.type === "commit") plans.push(record.planHash);
  }
  return {
    site: open.site,
    head: { sequence, hash },
    since: open.at,
    populations: [...balance.populations.values()].map((p) => populationStatus(p, records)),
    tornLines,
    plans,
  };
}
