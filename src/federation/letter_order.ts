import type { SecAggServer } from "../secure_agg/mod.ts";

/** Numbers that letters of one step may take. */
const PER_STEP = 16;

/** Number of the letter that carries the plan: the first after every join. */
export const PLAN_SEQUENCE = 1;
/** What a site that has just joined has handled: nothing, so that it gets the plan first. */
export const JOINED_SEQUENCE = 0;

/** Places within a step, in the order of the protocol; `abort` tells that the step has no sum. */
const PLACES: readonly (SecAggServer["phase"] | "abort")[] = [
  "advertise_keys",
  "share_keys",
  "masked_input",
  "sign_survivors",
  "unmask",
  "finished",
  "aborted",
  "abort",
];

/**
 * The number of a step's letter. It follows from step and phase alone, so a restarted aggregator gives every letter the
 * number that it had before, and a site that asks for what comes after the last one it has handled goes on from there.
 * @param round number of the step, from 1
 * @param place the phase whose opening the letter tells, or `abort`
 */
export function stepSequence(round: number, place: SecAggServer["phase"] | "abort"): number {
  return PER_STEP * round + PLACES.indexOf(place);
}

/** The number of the last letter of a run with so many steps. */
export function doneSequence(steps: number): number {
  return PER_STEP * (steps + 1);
}
