import { canonicalJson, parseEvent } from "../events/mod.ts";
import { ledgerError } from "./_errors.ts";
import { PopulationBalance } from "./population_balance.ts";
import type {
  Affordability,
  BudgetChange,
  Commitment,
  LedgerBudget,
  LedgerRecord,
  StepCharge,
} from "./types.ts";

/** All populations of a ledger, and which rounds are charged. */
export class Balance {
  readonly #populations: Map<string, PopulationBalance>;
  /** `planHash round` of every charged step. */
  readonly rounds: Set<string> = new Set();
  /** Populations of every accepted plan, sorted. */
  readonly #plans = new Map<string, readonly string[]>();

  /**
   * Starts with nothing spent.
   * @param budgets one per population
   */
  constructor(budgets: readonly Required<LedgerBudget>[]) {
    this.#populations = new Map(budgets.map((budget) => [budget.population, new PopulationBalance(budget)]));
  }

  /** By population name. */
  get populations(): ReadonlyMap<string, PopulationBalance> {
    return this.#populations;
  }

  /** One population. @throws FedKimError LedgerError where it has no budget */
  of(population: string): PopulationBalance {
    const found = this.#populations.get(population);
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

  /**
   * What has to be recorded so that these budgets hold: new populations and changed amounts. Populations that are not
   * named keep theirs.
   * @throws FedKimError LedgerError (`other_promise`) where unit, relation or filter of a used population would change
   */
  budgetChanges(budgets: readonly Required<LedgerBudget>[]): BudgetChange[] {
    return budgets.flatMap((to): BudgetChange[] => {
      const known = this.#populations.get(to.population);
      if (known === undefined) return [{ population: to.population, from: null, to }];
      const from = known.budget;
      if (canonicalJson(from) === canonicalJson(to)) return [];
      if (!known.untouched && promiseOf(from) !== promiseOf(to)) {
        throw ledgerError(
          "other_promise",
          "The privacy ledger has already spent on another promise for this population.",
          `${to.population}: ${promiseOf(from)}, now ${promiseOf(to)}`,
          "epsilon and delta of a budget may change, but not whom it protects or how it is decided: keep these, or " +
            "give the dataset another name",
        );
      }
      return [{ population: to.population, from, to }];
    });
  }

  /** What a commitment would do to each population. */
  afford(commitment: Commitment): Affordability[] {
    return commitment.schedules.map(({ population, schedule }) =>
      this.of(population).afford(parseEvent(schedule), commitment.delta)
    );
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
    for (const { population, event } of charges) this.of(population).check(planHash, event);
    const names = charges.map((charge) => charge.population).sort();
    const wanted = this.#plans.get(planHash) ?? [];
    if (names.join("\n") !== wanted.join("\n")) {
      throw ledgerError(
        "invalid_charge",
        "A step charges each of its plan's populations once.",
        names.join(", ") || "no population",
        `charge ${wanted.join(", ")} together`,
      );
    }
  }

  /** Replays a record that was verified. @throws FedKimError LedgerError (`newer_version`) for an unknown record */
  apply(record: LedgerRecord): void {
    switch (record.type) {
      case "open":
        return;
      case "budget":
        for (const { population, to } of record.changes) {
          const known = this.#populations.get(population);
          if (known === undefined) this.#populations.set(population, new PopulationBalance(to));
          else known.changeBudget(to);
        }
        return;
      case "commit":
        this.#plans.set(record.planHash, record.schedules.map(({ population }) => population).sort());
        for (const { population, schedule, delta } of record.schedules) {
          this.of(population).commit(record.planHash, parseEvent(schedule), delta);
        }
        return;
      case "charge":
        this.rounds.add(`${record.planHash} ${record.round}`);
        for (const { population, event } of record.charges) {
          this.of(population).charge(record.planHash, parseEvent(event));
        }
        return;
      case "torn":
        for (const { population, event } of record.charges) this.of(population).chargeTorn(parseEvent(event));
        return;
      default:
        throw ledgerError(
          "newer_version",
          "The privacy ledger holds a record that this version does not know.",
          `record ${(record as LedgerRecord).sequence}`,
          "use the FedKIM version that wrote it; ignoring a record could hide spending",
        );
    }
  }
}

/** What a budget promises, apart from its size. */
function promiseOf({ unit, neighboring, filter }: Required<LedgerBudget>): string {
  const rule = filter.type === "renyi" ? `a Renyi filter of order ${filter.order}` : "signed schedules";
  return `one ${unit}, ${neighboring}, ${rule}`;
}
