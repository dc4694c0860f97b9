import { FedKimError } from "../../formats/errors.ts";
import type { DpEvent } from "../events/mod.ts";
import { bisect } from "../numerics/mod.ts";
import { type AccountingOptions, epsilonAt } from "./bounds.ts";
import { checkDelta, checkEpsilon } from "./_arguments.ts";

/** A privacy target and how it is checked. */
export interface CalibrationTarget extends AccountingOptions {
  /** Largest epsilon allowed. */
  readonly epsilon: number;
  /** At this delta. */
  readonly delta: number;
  /** Width of the bracket at which the search stops; default 1e-4. */
  readonly tolerance?: number;
}

/** Multipliers outside of this range are not searched. */
const SMALLEST = 0.01;
const LARGEST = 1e6;

/**
 * Smallest noise multiplier, up to `tolerance`, whose epsilon is within the target: the returned value
 * itself was checked, so the target is never exceeded.
 * @param eventOf the whole schedule as a function of the noise multiplier
 * @throws FedKimError ConfigError where no multiplier below 1e6 is enough
 */
export function calibrateNoiseMultiplier(
  eventOf: (noiseMultiplier: number) => DpEvent,
  target: CalibrationTarget,
): number {
  checkDelta(target.delta);
  checkEpsilon(target.epsilon);
  const tolerance = target.tolerance ?? 1e-4;
  const holds = (sigma: number) => epsilonAt(eventOf(sigma), target.delta, target).epsilon <= target.epsilon;
  let high = 1;
  while (!holds(high)) {
    high *= 2;
    if (high > LARGEST) {
      throw new FedKimError("ConfigError", "No amount of noise meets this privacy target.", {
        found: `epsilon ${target.epsilon}, delta ${target.delta}`,
        needed: "a target that a noise multiplier below 1e6 meets",
        remedy: "allow a larger epsilon or fewer steps",
        reason: "target_out_of_reach",
      });
    }
  }
  let low = high / 2;
  while (low > SMALLEST && holds(low)) {
    high = low;
    low /= 2;
  }
  return bisect(low, high, tolerance, holds)[1];
}

/**
 * Largest number of steps whose epsilon is within the target; 0 where not even one is.
 * @param eventOf the schedule as a function of the number of steps
 * @param limit no more than this many are tried; default 10 million
 */
export function maxSteps(
  eventOf: (steps: number) => DpEvent,
  target: Omit<CalibrationTarget, "tolerance">,
  limit = 10_000_000,
): number {
  checkDelta(target.delta);
  checkEpsilon(target.epsilon);
  const exceeds = (steps: number) => epsilonAt(eventOf(steps), target.delta, target).epsilon > target.epsilon;
  if (exceeds(1)) return 0;
  let low = 1;
  let high = 2;
  while (!exceeds(Math.min(high, limit))) {
    if (high >= limit) return limit;
    low = high;
    high *= 2;
  }
  high = Math.min(high, limit);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (exceeds(middle)) high = middle;
    else low = middle;
  }
  return low;
}
