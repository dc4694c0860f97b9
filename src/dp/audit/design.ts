import { FedKimError } from "../../formats/errors.ts";
import { privacyCurve } from "../accounting/mod.ts";
import type { DpEvent, Neighboring } from "../events/mod.ts";
import { createPlan, type DpCohort, type DpPlan, type DpPopulation } from "../plan/mod.ts";
import { type ClaimedCurve, curveClaim } from "./fdp.ts";

/** mu of the claim at which half the noise is told apart best with some ten thousand canaries. */
const DESIGN_MU = 0.9;
/** Share of the canaries that are guessed. */
const GUESSED = 0.08;
/** Delta at which the lower bound is stated. */
const DELTA = 1e-5;
/** Where the claimed curve is taken, epsilon from 0 to 8: the curve of {@link DESIGN_MU} bends there. */
const CURVE_EPSILONS = Array.from({ length: 321 }, (_, i) => i / 40);

/** What an audit-only plan is made for. */
export interface AuditRequest {
  /** Canaries: artificial units, each in or out by a fair coin. */
  readonly canaries: number;
  /** Name of the population that they are put into. */
  readonly population: string;
  /** All populations of the audited run; sampling rates are 1, so that nothing but the noise protects. */
  readonly populations: readonly Omit<DpPopulation, "samplingRate">[];
  /** Length of the released vector, at least the number of canaries. */
  readonly dimension: number;
  /** Public bound on the units that may move one coordinate in a step. */
  readonly maxUnitsPerStep: number;
  /** Sites; colluders know their own noise and subtract it. */
  readonly cohort: DpCohort;
  /** Aggregation steps of the audited run; default 1. */
  readonly steps?: number;
}

/** An audit-only plan, and what `runAudit` needs to know of it. */
export interface AuditDesign {
  /** Plan without sampling; its budget is its own, for artificial records. */
  readonly plan: DpPlan;
  /** Number of canaries. */
  readonly canaries: number;
  /** Guesses. */
  readonly guesses: number;
  /** mu of the Gaussian trade-off curve that the plan was designed for. */
  readonly mu: number;
  /** The trade-off curve that the accountant claims for one canary. */
  readonly claim: ClaimedCurve;
  /** The epsilon that it claims at `delta`. */
  readonly epsilon: number;
  /** Delta. */
  readonly delta: number;
}

/** The trade-off curve that the accountant claims for an event. */
export function accountedClaim(event: DpEvent, neighboring: Neighboring): ClaimedCurve {
  return curveClaim(privacyCurve(event, CURVE_EPSILONS, { neighboring }));
}

/**
 * Design of a one-run audit. With 13,000 canaries whose gradients are longer than the clip bound and do not overlap,
 * half the noise, missing clipping and a forgotten count are each seen at p < 0.001 with power above 0.95
 * (`auditPower` says how much).
 * @throws FedKimError ConfigError where the plan is not possible
 */
export function designAudit(request: AuditRequest): AuditDesign {
  const { canaries, population, populations, dimension, maxUnitsPerStep, cohort, steps = 1 } = request;
  const plan = createPlan({
    populations: populations.map((p) => ({ ...p, samplingRate: 1 })),
    setsAreDisjoint: true,
    neighboring: "add_or_remove_one",
    steps,
    dimension,
    cohort,
    maxUnitsPerStep,
    delta: DELTA,
    target: { noiseMultiplier: Math.sqrt(steps) / DESIGN_MU },
  });
  const at = plan.events.findIndex((events) => events.population === population);
  if (at < 0) {
    throw new FedKimError("ConfigError", "The audited population is not in the audit's plan.", {
      found: population,
      needed: populations.map(({ name }) => name).join(", "),
    });
  }
  return {
    plan,
    canaries,
    guesses: Math.round(GUESSED * canaries),
    mu: DESIGN_MU,
    claim: accountedClaim(plan.events[at].schedule, plan.request.neighboring),
    epsilon: plan.guarantees[at].epsilon,
    delta: DELTA,
  };
}
