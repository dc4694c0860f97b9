import type { RandomBytes } from "../../formats/random_bytes.ts";
import { type DpEvent, parseEvent } from "../events/mod.ts";
import type { Balance } from "./balance.ts";
import { sealRecord } from "./chain.ts";
import { ledgerError, refusedPlan } from "./_errors.ts";
import { type LedgerStatus, statusOf } from "./status.ts";
import type {
  Affordability,
  Commitment,
  LedgerBudget,
  LedgerHead,
  LedgerRecord,
  RecordBody,
  StepCharge,
  TornLine,
} from "./types.ts";

/** What a ledger's records are made with beside their content. */
export interface LedgerSources {
  /** Clock for their time stamps. */
  readonly now: () => Date;
  /** Source of their salts. */
  readonly randomBytes: RandomBytes;
}

/** A site's open privacy ledger: the only way to spend, and it says no. Made by `openLedger`. */
export class Ledger {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #balance: Balance;
  readonly #records: LedgerRecord[];
  readonly #now: () => Date;
  readonly #randomBytes: RandomBytes;
  #state: "open" | "broken" | "closed" = "open";
  #queue: Promise<unknown> = Promise.resolve();

  /** For `openLedger` only: takes over a locked file and what was replayed from it. */
  constructor(
    path: string,
    file: Deno.FsFile,
    balance: Balance,
    records: LedgerRecord[],
    sources: LedgerSources,
  ) {
    this.#path = path;
    this.#file = file;
    this.#balance = balance;
    this.#records = records;
    this.#now = sources.now;
    this.#randomBytes = sources.randomBytes;
  }

  /** What accepting a plan would cost each population; nothing is written. */
  wouldExceed(commitment: Commitment): { readonly exceeds: boolean; readonly populations: Affordability[] } {
    const populations = this.#balance.afford(commitment);
    return { exceeds: populations.some((p) => p.exceeds), populations };
  }

  /**
   * Accepts a plan: its whole schedule is reserved. Durable when the promise resolves. Accepting the same
   * plan with the same schedules again changes nothing. Of several commitments, which belong to one plan, none is
   * reserved where the budget does not allow one of them.
   * @throws FedKimError BudgetExceeded; LedgerError `other_schedule` where the plan was committed
   * differently
   */
  commit(...commitments: readonly [Commitment, ...Commitment[]]): Promise<LedgerHead> {
    return this.#inTurn(async () => {
      // What the first reserves would stay reserved where the plan is refused for a later one.
      for (const later of commitments.slice(1)) this.#newCommitment(later);
      for (const commitment of commitments) {
        const record = this.#newCommitment(commitment);
        if (record !== undefined) await this.#add(record);
      }
      return this.head();
    });
  }

  /** What is to be written for a plan; nothing for one that is committed already. */
  #newCommitment(commitment: Commitment): RecordBody | undefined {
    const names = commitment.schedules.map(({ population }) => population);
    if (names.length === 0 || new Set(names).size !== names.length) {
      throw ledgerError(
        "invalid_commitment",
        "A plan commits one schedule for each of its populations.",
        names.join(", ") || "no population",
        "name every population that the plan charges once",
      );
    }
    const schedules = commitment.schedules.map(({ population, schedule }) => ({
      population,
      schedule: parseEvent(schedule),
      delta: commitment.delta ?? this.#balance.of(population).deltaLeft(),
    }));
    const known = this.#records.find((r) => r.type === "commit" && r.planHash === commitment.planHash);
    if (known?.type === "commit") {
      const same = (list: readonly { population: string; schedule: unknown }[]) =>
        JSON.stringify(list.map(({ population, schedule }) => [population, schedule]));
      if (same(known.schedules) === same(schedules)) return undefined;
      throw ledgerError(
        "other_schedule",
        "This plan was committed with another schedule.",
        `plan ${commitment.planHash.slice(0, 12)}`,
        "a plan's hash fixes its schedule; ask for a correct plan",
      );
    }
    const over = this.wouldExceed(commitment).populations.find((p) => p.exceeds);
    if (over !== undefined) throw refusedPlan(over);
    return { type: "commit", planHash: commitment.planHash, schedules, at: this.#now().toISOString() };
  }

  /**
   * Charges one step, before anything of it leaves the site. Durable when the promise resolves.
   * @throws FedKimError BudgetExceeded; LedgerError `not_committed`, `round_already_charged`,
   * `unknown_population`
   */
  charge(step: StepCharge): Promise<LedgerHead> {
    return this.#inTurn(() => this.#charge(step));
  }

  async #charge(step: StepCharge): Promise<LedgerHead> {
    const { planHash, round } = step;
    const charges = step.charges.map(({ population, event }) => ({ population, event: parseEvent(event) }));
    if (!Number.isSafeInteger(round) || round < 0) {
      throw ledgerError("invalid_charge", "The round number is not valid.", `round ${round}`, "count from 0");
    }
    this.#balance.check({ planHash, round, charges });
    return await this.#add({ type: "charge", planHash, round, charges, at: this.#now().toISOString() });
  }

  /** Sequence number and hash of the last record. */
  head(): LedgerHead {
    const { sequence, hash } = this.#records[this.#records.length - 1];
    return { sequence, hash };
  }

  /**
   * Refuses to go on from a file older than, or other than, the one whose head was countersigned.
   * @throws FedKimError LedgerError `rolled_back` or `forked`
   */
  requireHead(countersigned: LedgerHead): void {
    const record = this.#records[countersigned.sequence];
    if (record === undefined || record.hash !== countersigned.hash) {
      throw ledgerError(
        record === undefined ? "rolled_back" : "forked",
        "The privacy ledger is not the one that the aggregator countersigned.",
        `head ${this.head().sequence}, countersigned ${countersigned.sequence}`,
        "restore the newest copy of the ledger; spending on an older one would be counted twice",
      );
    }
  }

  /** Everything charged to one population, torn lines included. */
  spentEvent(population: string): DpEvent {
    return this.#balance.of(population).spentEvent();
  }

  /** Budgets, spending, what is left. */
  status(): LedgerStatus {
    return statusOf(this.#records, this.#balance, 0);
  }

  /** Releases the lock. */
  close(): void {
    if (this.#state !== "closed") this.#file.close();
    this.#state = "closed";
  }

  /** Releases the lock at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** For `openLedger` only: writes the first record. */
  async begin(site: string, budgets: readonly Required<LedgerBudget>[]): Promise<void> {
    await this.#add({
      type: "open",
      format: "fedkim-ledger/1",
      site,
      budgets,
      at: this.#now().toISOString(),
    });
  }

  /** For `openLedger` only: writes bytes durably, or breaks the ledger for good. */
  async appendBytes(bytes: Uint8Array): Promise<void> {
    if (this.#state !== "open") {
      throw ledgerError(this.#state, "The privacy ledger is not open.", this.#state, "open it again");
    }
    await this.#requireOwnPlace();
    try {
      this.#state = "broken";
      let written = 0;
      while (written < bytes.length) written += await this.#file.write(bytes.subarray(written));
      await this.#file.sync();
      this.#state = "open";
    } catch (cause) {
      throw ledgerError(
        "unwritable",
        `The privacy ledger cannot be written: ${cause instanceof Error ? cause.message : "unknown"}.`,
        "a failed write or fsync",
        "free disk space and open the ledger again; the broken line counts as spent",
      );
    }
  }

  /**
   * For `openLedger` only: makes these budgets hold from now on, by a record where they differ. A file whose last record
   * has no salt gets one in any case: its head must not be sent as it is.
   */
  async changeBudgets(budgets: readonly Required<LedgerBudget>[]): Promise<void> {
    const changes = this.#balance.budgetChanges(budgets);
    const salted = this.#records.at(-1)?.salt !== undefined;
    if (changes.length > 0 || !salted) {
      await this.#add({ type: "budget", changes, at: this.#now().toISOString() });
    }
  }

  /** For `openLedger` only: counts lines that a power cut tore. */
  async recordTorn(lines: readonly TornLine[]): Promise<void> {
    const charges = [...this.#balance.populations].map(([population, balance]) => ({
      population,
      event: balance.possibleTornCharge(lines.length),
    })).filter(({ event }) => event.type !== "no_op");
    await this.#add({ type: "torn", lines, charges, at: this.#now().toISOString() });
  }

  /** A file that was moved away is no longer the one that the next process will open and lock. */
  async #requireOwnPlace(): Promise<void> {
    const [own, there] = await Promise.all([this.#file.stat(), Deno.stat(this.#path).catch(() => undefined)]);
    if (there?.ino === own.ino && there.dev === own.dev) return;
    throw ledgerError(
      "moved",
      "The privacy ledger was moved or replaced while it was open.",
      this.#path,
      "stop every process that uses it, put the newest copy back and open it again",
    );
  }

  /** One check-and-write at a time: calls that are not awaited wait here. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #add(body: RecordBody): Promise<LedgerHead> {
    const record = sealRecord(body, this.#records.at(-1), this.#randomBytes);
    await this.appendBytes(new TextEncoder().encode(`${JSON.stringify(record)}\n`));
    this.#records.push(record);
    this.#balance.apply(record);
    return this.head();
  }
}
