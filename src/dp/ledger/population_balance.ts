import { type Accountant, epsilonAt, maxSteps, RenyiFilter, SMALLEST_DELTA } from "../accounting/mod.ts";
import type { DpEvent } from "../events/mod.ts";
import { addTo, asEvent, copyOf, type Counts, timesLeft } from "./_counts.ts";
import { ledgerError, overBudget } from "./_errors.ts";
import type { Affordability, LedgerBudget } from "./types.ts";

/** One plan's claim on one population. */
interface Claim {
  readonly planHash: string;
  readonly schedule: DpEvent;
  readonly delta: number;
  readonly allowed: Counts;
  readonly used: Counts;
}

/** Forecasts stop here. */
const MOST_ROUNDS = 1_000_000;

/** What one population has spent and promised. */
export class PopulationBalance {
  readonly #claims: Claim[] = [];
  readonly #torn: Counts = new Map();
  readonly #spent: Counts = new Map();
  #budget: Required<LedgerBudget>;
  #filter: RenyiFilter | undefined;
  /** Accepted schedules no longer fit, since lines were torn or the budget became smaller: every charge is asked. */
  #strict = false;

  /**
   * Starts with nothing spent.
   * @param budget what may be spent
   */
  constructor(budget: Required<LedgerBudget>) {
    this.#budget = budget;
    this.#filter = filterOf(budget);
  }

  /** The budget that holds now. */
  get budget(): Required<LedgerBudget> {
    return this.#budget;
  }

  /** True while no plan was accepted and nothing was charged. */
  get untouched(): boolean {
    return this.#claims.length === 0 && this.#spent.size === 0;
  }

  /**
   * Another budget from now on; what was spent stays spent. One below what is spent or accepted refuses every plan,
   * and every charge that would go beyond it.
   */
  changeBudget(budget: Required<LedgerBudget>): void {
    this.#budget = budget;
    this.#filter = filterOf(budget);
    this.#filter?.force(this.spentEvent());
    this.#strict ||= this.#filter === undefined && !(this.committedEpsilon() <= budget.epsilon);
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

  /** Delta that no plan has claimed yet; all of it under a Renyi filter, which converts once for all plans. */
  deltaLeft(): number {
    const { delta } = this.#budget;
    return this.#filter === undefined ? Math.max(0, delta - this.#claimedDelta()) : delta;
  }

  /**
   * Epsilon of everything charged, by a rule that holds for plans chosen along the way.
   * @throws FedKimError UnsupportedDpEvent where the accountant has no bound
   */
  spentEpsilon(accountant: Accountant = "pld"): number {
    return this.#filter?.epsilon() ??
      this.#sum((claim) => asEvent(claim.used), this.#claims.at(-1), accountant);
  }

  /** Epsilon of everything that accepted plans may ever charge, by the same rule. */
  committedEpsilon(): number {
    return this.#filter?.epsilonAfter(this.#open()) ?? this.#sum((claim) => claim.schedule);
  }

  /** What accepting one more schedule with this share of delta would do; default: all that is left. */
  afford(schedule: DpEvent, share?: number): Affordability {
    const { population, epsilon: budget, delta: budgetDelta } = this.#budget;
    const deltaLeft = this.deltaLeft();
    const base = { population, budget, budgetDelta, deltaLeft };
    if (this.#filter !== undefined) {
      const epsilon = this.#filter.epsilonAfter(schedule);
      return { ...base, epsilon, delta: budgetDelta, share: budgetDelta, exceeds: !(epsilon <= budget) };
    }
    const wanted = share ?? deltaLeft;
    const delta = this.#claimedDelta() + wanted;
    const covered = wanted >= SMALLEST_DELTA && delta <= budgetDelta * (1 + 1e-12);
    if (!covered) return { ...base, epsilon: Infinity, delta, share: wanted, exceeds: true };
    let epsilon = this.#epsilon([schedule, this.tornEvent()], wanted);
    for (const claim of this.#claims) epsilon += this.#epsilon([claim.schedule], claim.delta);
    return { ...base, epsilon, delta, share: wanted, exceeds: !(epsilon <= budget) };
  }

  /** Records an accepted schedule. */
  commit(planHash: string, schedule: DpEvent, delta: number): void {
    const allowed: Counts = new Map();
    addTo(allowed, schedule);
    this.#claims.push({ planHash, schedule, delta, allowed, used: new Map() });
  }

  /**
   * Checks that a charge is covered: by the plan's schedule, and by the budget where torn lines, a smaller budget or
   * a filter demand it.
   * @throws FedKimError BudgetExceeded
   */
  check(planHash: string, event: DpEvent): void {
    const claim = this.#claimOf(planHash);
    if (timesLeft(claim.allowed, claim.used, event) < 1) {
      throw overBudget(
        `a charge for ${this.#budget.population} that the committed schedule does not hold (any more)`,
        `one of the mechanisms that plan ${planHash.slice(0, 12)} still has`,
        "charge what the plan says, and no more rounds than it has",
      );
    }
    const { epsilon, population } = this.#budget;
    const used = copyOf(claim.used);
    addTo(used, event);
    const total = this.#filter !== undefined
      ? this.#filter.epsilonAfter(event)
      : this.#strict
      ? this.#sum((c) => asEvent(c === claim ? used : c.used), claim)
      : 0;
    if (!(total <= epsilon)) {
      throw overBudget(
        `epsilon ${total.toPrecision(5)} for ${population} after the charge`,
        `at most ${epsilon}`,
        "stop here, or raise the budget in the site's policy with the data-protection officer",
      );
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
    this.#strict ||= this.#torn.size > 0;
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

  /**
   * Steps like `step` that can still be charged: those that accepted plans have left, and those of one more plan with
   * all the epsilon and delta that nobody has claimed.
   */
  roundsLeft(step: DpEvent): number {
    const { epsilon, neighboring } = this.#budget;
    const steps = (count: number): DpEvent => ({ type: "self_composed", event: step, count });
    const filter = this.#filter;
    if (filter !== undefined) return largest((n) => filter.epsilonAfter(steps(n)) <= epsilon, MOST_ROUNDS);
    const open = this.#claims.reduce((sum, c) => sum + timesLeft(c.allowed, c.used, step), 0);
    const charged = this.#claims.findLast((c) => timesLeft(c.allowed, c.used, step) > 0);
    if (this.#strict && charged !== undefined) {
      return largest((n) => {
        const used = copyOf(charged.used);
        addTo(used, step, n);
        return this.#sum((c) => asEvent(c === charged ? used : c.used), charged) <= epsilon;
      }, open);
    }
    const delta = this.deltaLeft();
    const left = this.#claims.reduce((sum, c) => sum - this.#epsilon([c.schedule], c.delta), epsilon);
    if (!(left > 0) || delta < SMALLEST_DELTA) return open;
    return open + maxSteps(steps, { epsilon: left, delta, neighboring, gridInterval: 1e-3 }, MOST_ROUNDS);
  }

  #spend(event: DpEvent): void {
    addTo(this.#spent, event);
    this.#filter?.force(event);
  }

  /** What accepted plans have not charged yet. */
  #open(): DpEvent {
    const open: Counts = new Map();
    for (const { allowed, used } of this.#claims) {
      for (const [key, { event, count }] of allowed) {
        const left = count - (used.get(key)?.count ?? 0);
        if (left > 0) addTo(open, event, left);
      }
    }
    return asEvent(open);
  }

  #claimedDelta(): number {
    return this.#claims.reduce((sum, claim) => sum + claim.delta, 0);
  }

  /**
   * Epsilons of all claims at their shares of delta, which add up (basic composition); torn lines are counted with
   * `withTorn`. Shares shrink where the budget's delta has become smaller.
   */
  #sum(eventOf: (claim: Claim) => DpEvent, withTorn = this.#claims.at(-1), accountant?: Accountant): number {
    const shrink = Math.min(1, this.#budget.delta / this.#claimedDelta());
    return this.#claims.reduce((sum, claim) => {
      const event = eventOf(claim);
      const events = claim === withTorn ? [event, this.tornEvent()] : [event];
      return sum + this.#epsilon(events, claim.delta * shrink, accountant);
    }, 0);
  }

  #claimOf(planHash: string): Claim {
    const claim = this.#claims.find((c) => c.planHash === planHash);
    if (claim === undefined) {
      throw ledgerError(
        "not_committed",
        "This plan was never committed to the ledger.",
        `plan ${planHash.slice(0, 12)} for ${this.#budget.population}`,
        "commit the plan before charging its rounds",
      );
    }
    return claim;
  }

  #epsilon(events: readonly DpEvent[], delta: number, accountant: Accountant = "pld"): number {
    if (events.every((event) => event.type === "no_op")) return 0;
    if (!(delta >= SMALLEST_DELTA)) return Infinity;
    const { neighboring } = this.#budget;
    return epsilonAt({ type: "composed", events }, delta, { neighboring, accountant }).epsilon;
  }
}

function filterOf({ filter, epsilon, delta, neighboring }: Required<LedgerBudget>): RenyiFilter | undefined {
  if (filter.type !== "renyi") return undefined;
  return new RenyiFilter({ epsilon, delta, neighboring, order: filter.order });
}

/** Largest n from 0 to `limit` for which `fits`, which holds up to some n. */
function largest(fits: (n: number) => boolean, limit: number): number {
  if (limit < 1 || !fits(1)) return 0;
  let low = 1;
  let high = limit + 1;
  for (let next = 2; next < high && low < limit; next *= 2) {
    if (fits(next)) low = next;
    else high = next;
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}
