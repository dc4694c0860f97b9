import { createPlan, type DpCohort, type DpPlan } from "../plan/mod.ts";
import { type ClaimedCurve, gaussianClaim } from "./fdp.ts";

/** mu of the claim at which half the noise is told apart best with some ten thousand canaries. */
const DESIGN_MU = 0.8;
/** Share of the canaries that are guessed. */
const GUESSED = 0.08;
/** Delta at which the lower bound is stated. */
const DELTA = 1e-5;

/** An audit-only plan, and what `runAudit` needs to know of it. */
export interface AuditDesign {
  /** Plan without sampling, one coordinate per canary; its budget is its own, for artificial records only. */
  readonly plan: DpPlan;
  /** Number of canaries. */
  readonly canaries: number;
  /** Guesses. */
  readonly guesses: number;
  /** The trade-off curve that the plan claims for one canary. */
  readonly claim: ClaimedCurve;
  /** The epsilon that it claims at `delta`. */
  readonly epsilon: number;
  /** Delta. */
  readonly delta: number;
}

/**
 * Design of a one-run audit with gradient canaries: canary i is a unit whose gradient lies along coordinate
 * i and is longer than the clip bound; its score is coordinate i of the decoded sums, added over the steps.
 * With 13,000 canaries, half the noise, missing clipping and a forgotten count are each seen at p < 0.001
 * with power above 0.95.
 * @param canaries number of canaries, which is the length of the released vector
 * @param cohort sites; the shares of colluders have to be subtracted from the scores, or left out, as an
 * attacker would
 * @param steps aggregation steps of the audited run
 */
export function designAudit(canaries: number, cohort: DpCohort, steps = 1): AuditDesign {
  const noiseMultiplier = Math.sqrt(steps) / DESIGN_MU;
  const plan = createPlan({
    populations: [{ name: "canary", unit: "record", samplingRate: 1, maxGradNorm: 1 }],
    setsAreDisjoint: true,
    neighboring: "add_or_remove_one",
    steps,
    dimension: canaries,
    cohort,
    // No two canaries share a coordinate.
    maxUnitsPerStep: 16,
    delta: DELTA,
    target: { noiseMultiplier },
  });
  return {
    plan,
    canaries,
    guesses: Math.round(GUESSED * canaries),
    claim: gaussianClaim(DESIGN_MU),
    epsilon: plan.guarantees[0].epsilon,
    delta: DELTA,
  };
}
