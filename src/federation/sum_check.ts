import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import { decodeSum, type DpPlan } from "../dp/mod.ts";
import type { FederationPlan, LocalPlan } from "./federation_plan.ts";
import type { RoundOutcome } from "./round_session.ts";
import type { EvaluationPlan } from "./site_evaluation/mod.ts";
import { aggregateOf, updateScale } from "./update_encoding.ts";

/** The optional check of every aggregation's sum. */
export interface SumCheck {
  /** Largest chance that a step of honest sites is refused, per step; an honest step of `local` mode never is. */
  readonly falseAlarm: number;
  /**
   * Public bound on the units that honest sites sample in a step over all sites; the plan's `maxUnitsPerStep` by
   * default. A smaller one leaves malicious sites less room; steps with more units may be refused.
   */
  readonly units?: number | undefined;
  /**
   * Public bound on the held-out units of all sites together. With it the sum of an evaluation at the sites is checked
   * too; the plan bounds the units of one cell only, from which no useful length follows.
   */
  readonly heldOutUnits?: number | undefined;
}

/** Reads {@link SumCheck}. */
export const SumCheckSchema: z.ZodType<SumCheck> = z.strictObject({
  falseAlarm: z.number().min(1e-15).max(0.1).default(1e-9),
  units: z.number().int().min(1).optional(),
  heldOutUnits: z.number().int().min(1).optional(),
});

/**
 * Length that an honest sum exceeds with probability at most `falseAlarm`, from public constants of the plan alone.
 *
 * `distributed`: the sum of at most U units' gradients has length at most U (1 + eta) and rounding adds less than one grid
 * unit per site and coordinate; with noise of deviation tau on each of d coordinates the squared length over tau^2 is at
 * most a noncentral chi-square with lambda = (length / tau)^2, whose upper tail is below e^-x beyond
 * d + lambda + 2 sqrt((d + 2 lambda) x) + 2 x (Birge 2001, lemma 8.1). `local`: every update is at most its clip long
 * and is rounded to half a grid unit, whatever its noise was.
 *
 * @param plan the signed plan
 * @param survivors sites in the sum
 * @param check the check's settings
 * @returns l2 norm, in the units of {@link aggregateOf}
 */
export function sumBound(plan: FederationPlan, survivors: number, check: SumCheck): number {
  if (plan.mode === "local") return localBound(plan, survivors);
  const { maxUnitsPerStep } = plan.dp.request;
  return noisedBound(plan.dp, survivors, Math.min(check.units ?? maxUnitsPerStep, maxUnitsPerStep), check);
}

/** Length that the sum of at most so many clipped units, with the noise of the sites in it, exceeds so rarely. */
function noisedBound(
  { request, encoding, noise }: DpPlan,
  survivors: number,
  units: number,
  check: Pick<SumCheck, "falseAlarm">,
): number {
  const { dimension: d, floatSlack } = request;
  const length = units * (1 + floatSlack) + survivors * Math.sqrt(d) / encoding.scale;
  const tau = Math.sqrt(survivors) * noise.shareStddev / encoding.scale;
  const lambda = (length / tau) ** 2;
  const x = Math.log(1 / check.falseAlarm);
  return tau * Math.sqrt(d + lambda + 2 * Math.sqrt((d + 2 * lambda) * x) + 2 * x);
}

function localBound(plan: LocalPlan, survivors: number): number {
  const rounding = Math.sqrt(plan.dp.request.dimension) / (2 * updateScale(plan));
  return survivors * (plan.local.updateClip * (1 + 1e-9) + rounding);
}

/**
 * Refuses a sum that honest sites give with probability below `falseAlarm`. Only the sum is looked at, which the
 * aggregator has anyway: no site's update is revealed, and nobody can be named.
 *
 * @param plan the signed plan
 * @param sum the unmasked sum modulo 2^32
 * @param survivors sites in it
 * @param check the check's settings
 * @throws FedKimError `ProtocolAbort`, reason `sum_too_long`
 */
export function checkSum(plan: FederationPlan, sum: Uint32Array, survivors: number, check: SumCheck): void {
  requireShort(aggregateOf(plan, sum), sumBound(plan, survivors, check), survivors, check);
}

/**
 * The same for the one sum of an evaluation at the sites, where the settings bound the held-out units. A unit adds at
 * most 1 in units of its clip, whatever its records are, so the bound is that of as many units of a step.
 *
 * @param evaluation the plan's evaluation
 * @param sum the unmasked sum modulo 2^32
 * @param survivors sites in it
 * @param check the check's settings; without `heldOutUnits` no sum is refused
 * @throws FedKimError as {@link checkSum}
 */
export function checkEvaluationSum(
  { dp }: Pick<EvaluationPlan, "dp">,
  sum: Uint32Array,
  survivors: number,
  check: SumCheck,
): void {
  if (check.heldOutUnits === undefined) return;
  const bound = noisedBound(dp, survivors, check.heldOutUnits, check);
  requireShort(decodeSum(dp, sum), bound, survivors, check);
}

/** An outcome, aborted where a check does not let its sum pass. */
export function checkedOutcome(
  outcome: RoundOutcome,
  check: (sum: Uint32Array, survivors: number) => void,
): RoundOutcome {
  if (outcome.kind !== "sum") return outcome;
  try {
    check(outcome.sum, outcome.survivors.length);
    return outcome;
  } catch (error) {
    if (error instanceof FedKimError) return { kind: "aborted", error };
    throw error;
  }
}

function requireShort(
  values: Float64Array,
  bound: number,
  survivors: number,
  { falseAlarm }: SumCheck,
): void {
  const length = Math.sqrt(values.reduce((total, value) => total + value * value, 0));
  if (length <= bound) return;
  throw new FedKimError("ProtocolAbort", "The sum of this step is longer than honest sites can make it.", {
    reason: "sum_too_long",
    found: `length ${length.toPrecision(6)}`,
    needed: `at most ${bound.toPrecision(6)} with ${survivors} sites, but for a chance of ${falseAlarm}`,
    remedy:
      "the step is not applied; find out with the sites whose software or data it was: the sum cannot say",
  });
}
