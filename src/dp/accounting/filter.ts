import { FedKimError } from "../../formats/errors.ts";
import type { DpEvent, Neighboring } from "../events/mod.ts";
import { composedRdp, rdpEpsilon } from "../rdp/mod.ts";
import { checkDelta, checkEpsilon, checkNeighboring } from "./_arguments.ts";

/** A budget that holds for events chosen along the way, after earlier outputs were seen. */
export interface FilterBudget {
  /** Largest epsilon. */
  readonly epsilon: number;
  /** At this delta. */
  readonly delta: number;
  /** Neighbouring relation. */
  readonly neighboring: Neighboring;
  /** Renyi order, fixed before the first event; an integer from 2. */
  readonly order: number;
}

/**
 * Renyi filter: admits an event while the sum of Renyi divergences at one fixed order keeps epsilon within
 * the budget. Valid under full adaptivity, unlike a composition computed afterwards. Source: Feldman and
 * Zrnic 2021, Theorem 4.3.
 */
export class RenyiFilter {
  readonly #budget: FilterBudget;
  readonly #costs = new Map<string, number>();
  #spent = 0;

  /**
   * Starts with nothing spent.
   * @throws FedKimError ConfigError for parameters out of range
   */
  constructor(budget: FilterBudget) {
    checkEpsilon(budget.epsilon);
    checkDelta(budget.delta);
    checkNeighboring(budget.neighboring);
    if (!Number.isSafeInteger(budget.order) || budget.order < 2 || budget.order > 100_000) {
      throw new FedKimError("ConfigError", "The order of the Renyi filter is not valid.", {
        found: `order = ${budget.order}`,
        needed: "an integer from 2 to 100000",
      });
    }
    this.#budget = budget;
  }

  /**
   * Epsilon after one more event; Infinity for one that may fail altogether with some probability, since delta may
   * not be traded for divergence along the way.
   */
  epsilonAfter(event: DpEvent): number {
    const { order, delta } = this.#budget;
    return rdpEpsilon(order, this.#spent + this.#cost(event), delta);
  }

  /** Epsilon of what was spent; at the fixed order, so 0 events already cost the conversion. */
  epsilon(): number {
    return this.#spent === 0 ? 0 : this.epsilonAfter({ type: "no_op" });
  }

  /** True where the event would exceed the budget. */
  wouldExceed(event: DpEvent): boolean {
    return !(this.epsilonAfter(event) <= this.#budget.epsilon);
  }

  /** Spends without asking: for replaying what was already released. */
  force(event: DpEvent): void {
    this.#spent += this.#cost(event);
  }

  /**
   * Spends an event, before it is released.
   * @throws FedKimError BudgetExceeded; nothing is spent then
   */
  spend(event: DpEvent): void {
    if (this.wouldExceed(event)) {
      throw new FedKimError("BudgetExceeded", "The privacy filter refuses: the budget would be exceeded.", {
        found: `epsilon ${this.epsilonAfter(event)} after the event`,
        needed: `at most ${this.#budget.epsilon}`,
        remedy: "stop, or use more noise",
      });
    }
    this.force(event);
  }

  #cost(event: DpEvent): number {
    const key = JSON.stringify(event);
    const known = this.#costs.get(key) ?? this.#divergence(event);
    if (this.#costs.size > 1000) this.#costs.clear();
    this.#costs.set(key, known);
    return known;
  }

  #divergence(event: DpEvent): number {
    const curve = composedRdp(event, this.#budget.neighboring);
    return curve.extraDelta > 0 ? Infinity : curve.at(this.#budget.order);
  }
}

/** What an odometer needs: filters at these epsilons run side by side. */
export interface OdometerOptions {
  /** Delta of the reading, shared equally by the filters. */
  readonly delta: number;
  /** Neighbouring relation. */
  readonly neighboring: Neighboring;
  /** Readings, ascending; default 0.5, 1, 2, 4, ..., 64. */
  readonly epsilons?: readonly number[];
  /** Renyi order of each filter; by default the one that suits its epsilon and delta. */
  readonly order?: number;
}

/**
 * Odometer: a reading that is valid whenever one looks, however the events were chosen. The reading is the
 * smallest filter that has never been exceeded. Source: Lecuyer 2021, section 3 (odometers from filters by
 * a union bound).
 */
export class PrivacyOdometer {
  readonly #filters: { readonly epsilon: number; readonly filter: RenyiFilter; exceeded: boolean }[];

  /** Starts with nothing spent. */
  constructor(options: OdometerOptions) {
    const epsilons = options.epsilons ?? [0.5, 1, 2, 4, 8, 16, 32, 64];
    const delta = options.delta / epsilons.length;
    this.#filters = [...epsilons].sort((a, b) => a - b).map((epsilon) => {
      // Near the optimum of a Gaussian: rdp = rho a, epsilon about rho + 2 sqrt(rho ln 1/delta).
      const order = options.order ?? Math.max(2, Math.round(1 + (2 * -Math.log(delta)) / epsilon));
      const filter = new RenyiFilter({ epsilon, delta, neighboring: options.neighboring, order });
      return { epsilon, filter, exceeded: false };
    });
  }

  /** Counts an event. */
  spend(event: DpEvent): void {
    for (const entry of this.#filters) {
      entry.exceeded ||= entry.filter.wouldExceed(event);
      if (!entry.exceeded) entry.filter.force(event);
    }
  }

  /** Epsilon spent so far, rounded up to the next reading; Infinity beyond the last one. */
  reading(): number {
    return this.#filters.find((entry) => !entry.exceeded)?.epsilon ?? Infinity;
  }
}
