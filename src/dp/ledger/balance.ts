import { epsilonAt, RenyiFilter } from "../accounting/mod.ts";
import { type DpEvent, flattenEvent } from "../events/mod.ts";
import { ledgerError, overBudget } from "./_errors.ts";
import type { Affordability, Commitment, LedgerBudget, LedgerRecord, StepCharge } from "./types.ts";

/** Mechanisms by canonical key, with counts. */
type Counts = Map<string, { readonly event: DpEvent; count: number }>;

/** One plan's claim on one population. */
interface Claim {
  readonly planHash: string;
  readonly schedule: DpEvent;
  readonly delta: number;
  readonly allowed: Counts;
  readonly used: Counts;
}

function addTo(counts: Counts, event: DpEvent, times = 1): void {
  for (const part of flattenEvent(event)) {
    const known = counts.get(part.key);
    counts.set(part.key, { event: part.event, count: (known?.count ?? 0) + part.count * times });
  }
}

function asEvent(counts: Counts): DpEvent {
  const events = [...counts.values()].map(({ event, count }): DpEvent =>
    count === 1 ? event : { type: "self_composed", event, count }
  );
  return events.length === 0
    ? { type: "no_op" }
    : events.length === 1
    ? events[0]
    : { type: "composed", events };
}

/** What one population has spent and promised. */
export class PopulationBalance {
  /** The budget. */
  readonly budget: Required<LedgerBudget>;
  readonly #claims: Claim[] = [];
  readonly #torn: Counts = new Map();
  readonly #spent: Counts = new Map();
  readonly #filter: RenyiFilter | undefined;

  /**
   * Starts with nothing spent.
   * @param budget what may be spent
   */
  constructor(budget: Required<LedgerBudget>) {
    this.budget = budget;
    const { filter, epsilon, delta, neighboring } = budget;
    if (filter.type === "renyi") {
      this.#filter = new RenyiFilter({ epsilon, delta, neighboring, order: filter.order });
    }
  }

  /** Everything charged so far, lines lost to power cuts included. */
  spentEvent(): DpEvent {
    return asEvent(this.#spent);
  }

  /** Charges counted for torn lines. */
  tornEvent(): DpEvent {
    return asEvent(this.#torn);
  }

  /** Everything that accepted plans may ever charge. */
  committedEvent(): DpEvent {
    const all: Counts = new Map();
    for (const claim of this.#claims) addTo(all, claim.schedule);
    addTo(all, this.tornEvent());
    return asEvent(all);
  }

  /** Delta that no plan has claimed yet. */
  deltaLeft(): number {
    return this.budget.delta - this.#claims.reduce((sum, claim) => sum + claim.delta, 0);
  }

  /** What accepting one more schedule would do. */
  afford(schedule: DpEvent, delta: number): Affordability {
    const { population, epsilon: budget } = this.budget;
    if (this.#filter !== undefined) {
      const epsilon = this.#filter.epsilonAfter(schedule);
      return { population, epsilon, delta: this.budget.delta, budget, exceeds: !(epsilon <= budget) };
    }
    let epsilon = this.#epsilon([schedule], delta);
    for (const claim of this.#claims) epsilon += this.#epsilon([claim.schedule], claim.delta);
    // Torn lines are spending outside of any schedule: they join the newest one.
    if (this.#torn.size > 0) {
      epsilon += this.#epsilon([schedule, this.tornEvent()], delta) - this.#epsilon([schedule], delta);
    }
    const used = this.budget.delta - this.deltaLeft() + delta;
    const exceeds = !(epsilon <= budget && used <= this.budget.delta * (1 + 1e-12));
    return { population, epsilon, delta: used, budget, exceeds };
  }

  /** Records an accepted schedule. */
  commit(planHash: string, schedule: DpEvent, delta: number): void {
    const allowed: Counts = new Map();
    addTo(allowed, schedule);
    this.#claims.push({ planHash, schedule, delta, allowed, used: new Map() });
  }

  /**
   * Checks that a charge is covered: by the plan's schedule, and by the budget where torn lines or a filter
   * demand it.
   * @throws FedKimError BudgetExceeded
   */
  check(planHash: string, event: DpEvent): void {
    const claim = this.#claimOf(planHash);
    const used: Counts = new Map([...claim.used].map(([key, value]) => [key, { ...value }]));
    addTo(used, event);
    for (const [key, { count }] of used) {
      const allowed = claim.allowed.get(key)?.count ?? 0;
      if (count > allowed) {
        throw overBudget(
          `charge ${count} of a mechanism for ${this.budget.population}`,
          `at most the ${allowed} that the committed schedule of plan ${planHash.slice(0, 12)} holds`,
        );
      }
    }
    const { epsilon } = this.budget;
    if (this.#filter !== undefined) {
      const total = this.#filter.epsilonAfter(event);
      if (!(total <= epsilon)) throw overBudget(`epsilon ${total} after the charge`, `at most ${epsilon}`);
    } else if (this.#torn.size > 0) {
      const others = this.#claims.filter((c) => c !== claim)
        .reduce((sum, c) => sum + this.#epsilon([c.schedule], c.delta), 0);
      const total = others + this.#epsilon([asEvent(used), this.tornEvent()], claim.delta);
      if (!(total <= epsilon)) {
        throw overBudget(`epsilon ${total} after the charge and the torn lines`, `at most ${epsilon}`);
      }
    }
  }

  /** Records a charge that was checked. */
  charge(planHash: string, event: DpEvent): void {
    addTo(this.#claimOf(planHash).used, event);
    this.#spend(event);
  }

  /** Counts a torn line. */
  chargeTorn(event: DpEvent): void {
    addTo(this.#torn, event);
    this.#spend(event);
  }

  /**
   * The most that torn lines may have been: each one more of every mechanism that an accepted plan still
   * allows.
   */
  possibleTornCharge(lines: number): DpEvent {
    const possible: Counts = new Map();
    for (const claim of this.#claims) {
      for (const [key, { event, count }] of claim.allowed) {
        if ((claim.used.get(key)?.count ?? 0) < count) addTo(possible, event, lines);
      }
    }
    return asEvent(possible);
  }

  #spend(event: DpEvent): void {
    addTo(this.#spent, event);
    this.#filter?.force(event);
  }

  #claimOf(planHash: string): Claim {
    const claim = this.#claims.find((c) => c.planHash === planHash);
    if (claim === undefined) {
      throw ledgerError(
        "not_committed",
        "This plan was never committed to the ledger.",
        `plan ${planHash.slice(0, 12)} for ${this.budget.population}`,
        "commit the plan before charging its rounds",
      );
    }
    return claim;
  }

  #epsilon(events: readonly DpEvent[], delta: number): number {
    if (!(delta > 0)) return Infinity;
    const { neighboring } = this.budget;
    return epsilonAt({ type: "composed", events }, delta, { neighboring }).epsilon;
  }
}

/** All populations of a ledger, and which rounds are charged. */
export class Balance {
  /** By population name. */
  readonly populations: ReadonlyMap<string, PopulationBalance>;
  /** `planHash round` of every charged step. */
  readonly rounds: Set<string> = new Set();

  /**
   * Starts with nothing spent.
   * @param budgets one per population
   */
  constructor(budgets: readonly Required<LedgerBudget>[]) {
    this.populations = new Map(budgets.map((budget) => [budget.population, new PopulationBalance(budget)]));
  }

  /** One population. @throws FedKimError LedgerError where it has no budget */
  of(population: string): PopulationBalance {
    const found = this.populations.get(population);
    if (found === undefined) {
      throw ledgerError(
        "unknown_population",
        "The ledger has no budget for this population.",
        population,
        "open a ledger with a budget for it",
      );
    }
    return found;
  }

  /** What a commitment would do to each population. */
  afford(commitment: Commitment): Affordability[] {
    return commitment.schedules.map(({ population, schedule }) => {
      const balance = this.of(population);
      return balance.afford(schedule, commitment.delta ?? balance.deltaLeft());
    });
  }

  /** Checks every charge of a step. */
  check({ planHash, round, charges }: StepCharge): void {
    if (this.rounds.has(`${planHash} ${round}`)) {
      throw ledgerError(
        "round_already_charged",
        "This round is already charged.",
        `round ${round} of plan ${planHash.slice(0, 12)}`,
        "resume from the persisted masked vector or abort the round; never compute a second update for it",
      );
    }
    const names = charges.map((charge) => charge.population);
    if (names.length === 0 || new Set(names).size !== names.length) {
      throw ledgerError(
        "invalid_charge",
        "A step charges each of its populations once.",
        names.join(", "),
        "fix",
      );
    }
    for (const { population, event } of charges) this.of(population).check(planHash, event);
  }

  /** Replays a record that was verified. */
  apply(record: LedgerRecord): void {
    switch (record.type) {
      case "open":
        return;
      case "commit":
        for (const { population, schedule, delta } of record.schedules) {
          this.of(population).commit(record.planHash, schedule, delta);
        }
        return;
      case "charge":
        this.rounds.add(`${record.planHash} ${record.round}`);
        for (const { population, event } of record.charges) {
          this.of(population).charge(record.planHash, event);
        }
        return;
      case "torn":
        for (const { population, event } of record.charges) this.of(population).chargeTorn(event);
    }
  }
}
