import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import type { DpPlan } from "../dp/mod.ts";
import type { FederationPlan, LocalPlan } from "./federation_plan.ts";
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
}

/** Reads {@link SumCheck}. */
export const SumCheckSchema: z.ZodType<SumCheck> = z.strictObject({
  falseAlarm: z.number().min(1e-15).max(0.1).default(1e-9),
  units: z.number().int().min(1).optional(),
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
  return distributedBound(plan.dp, survivors, check);
}

function distributedBound({ request, encoding, noise }: DpPlan, survivors: number, check: SumCheck): number {
  const { dimension: d, maxUnitsPerStep, floatSlack } = request;
  const units = Math.min(check.units ?? maxUnitsPerStep, maxUnitsPerStep);
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
  const bound = sumBound(plan, survivors, check);
  const length = Math.sqrt(aggregateOf(plan, sum).reduce((total, value) => total + value * value, 0));
  if (length <= bound) return;
  throw new FedKimError("ProtocolAbort", "The sum of this step is longer than honest sites can make it.", {
    reason: "sum_too_long",
    found: `length ${length.toPrecision(6)}`,
    needed: `at most ${
      bound.toPrecision(6)
    } with ${survivors} sites, but for a chance of ${check.falseAlarm}`,
    remedy:
      "the step is not applied; find out with the sites whose software or data it was: the sum cannot say",
  });
}
