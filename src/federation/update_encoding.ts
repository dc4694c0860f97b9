import { decodeSum } from "../dp/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import type { FederationPlan, LocalPlan } from "./federation_plan.ts";

/** Largest sum that the ring of 32 bits holds, signed. */
const RING_REACH = 2 ** 31 - 1;

/**
 * Grid units per 1 for the model updates of `local` mode: the largest power of two at which the clipped updates of all
 * sites of the roster, rounded, cannot leave the ring together.
 */
export function updateScale({ roster, local }: LocalPlan): number {
  const most = Math.floor(RING_REACH / roster.length) - 1;
  return 2 ** Math.floor(Math.log2(most / local.updateClip));
}

/**
 * A site's model update as integers modulo 2^32, to be masked. The update follows from noised sums alone, whose rounding
 * the plan has charged; rounding it once more to a public grid is post-processing.
 *
 * @param plan the plan
 * @param update `[d]` end minus start of the site's training, at most `updateClip` long
 * @throws FedKimError `InternalError` for an update that is longer than its clip: nothing is released
 */
export function encodeModelUpdate(plan: LocalPlan, update: Float64Array): Uint32Array {
  const norm = Math.sqrt(update.reduce((sum, value) => sum + value * value, 0));
  if (!(norm <= plan.local.updateClip * (1 + 1e-9))) {
    throw new FedKimError("InternalError", "A model update is longer than its clip; nothing is released.");
  }
  const scale = updateScale(plan);
  return Uint32Array.from(update, (value) => Math.round(value * scale) >>> 0);
}

/** The sum of the sites' model updates `[d]`, from the unmasked sum of {@link encodeModelUpdate}'s vectors. */
export function decodeModelUpdates(plan: LocalPlan, sum: Uint32Array): Float64Array {
  const scale = updateScale(plan);
  return Float64Array.from(sum, (word) => (word | 0) / scale);
}

/**
 * What the unmasked sum stands for: in `distributed` mode the noised sum of clipped gradients in units of the clip
 * bounds, in `local` mode the sum of the sites' model updates.
 *
 * @param plan the signed plan
 * @param sum the unmasked sum modulo 2^32
 * @returns `[d]`
 */
export function aggregateOf(plan: FederationPlan, sum: Uint32Array): Float64Array {
  return plan.mode === "local" ? decodeModelUpdates(plan, sum) : decodeSum(plan.dp, sum);
}
