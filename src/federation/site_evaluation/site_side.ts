import { encodeUpdate } from "../../dp/mod.ts";
import { type LocalWeights, type SiteIndex, type TokenEmbedding, unflatten } from "../../local/mod.ts";
import { FedKimError } from "../../formats/errors.ts";
import type { RandomBytes } from "../../formats/random_bytes.ts";
import type { FederationPlan } from "../federation_plan.ts";
import { addUnit } from "./contribution.ts";
import { decodeEvaluationModel } from "./evaluation_model.ts";
import { heldOutPopulation } from "./evaluation_plan.ts";
import { scoredUnits } from "./held_out_records.ts";

/** A site that evaluates. */
export interface EvaluatingSite {
  /** The plan, which has an evaluation. */
  readonly plan: FederationPlan;
  /** Public-pretrained weights, frozen and federated. */
  readonly base: LocalWeights;
  /** The frozen token table. */
  readonly text: TokenEmbedding;
  /** The site's held-out records; sets without any count as empty. */
  readonly heldOut: SiteIndex;
  /** Says of a patient whether they have withdrawn by now. */
  readonly withdrawn: (patient: string) => boolean;
}

/**
 * A site's contribution to the evaluation: noised counts of its held-out units, ready to be masked. A site without any
 * gives noise alone.
 * @param site see {@link EvaluatingSite}
 * @param artefact the model to evaluate, checked against the hash in the signed order
 * @param randomBytes source of rounding and noise, never seeded in the product
 * @returns `[d]` integers modulo 2^32
 * @throws FedKimError `ModelError` for an artefact that does not fit the plan
 */
export async function evaluationContribution(
  site: EvaluatingSite,
  artefact: Uint8Array,
  randomBytes: RandomBytes,
): Promise<Uint32Array> {
  const { evaluation } = site.plan;
  if (evaluation === undefined) {
    throw new FedKimError("InternalError", "This plan has no evaluation; nothing is released.");
  }
  return encodeUpdate(evaluation.dp, await heldOutCounts(site, artefact), randomBytes);
}

/**
 * The counts behind {@link evaluationContribution}, without noise. Never released; exported for tests that compare.
 * @returns `[d]` in units of each population's clip
 */
export async function heldOutCounts(site: EvaluatingSite, artefact: Uint8Array): Promise<Float64Array> {
  const { plan, base, text, heldOut, withdrawn } = site;
  const { tasks, bins: most, dp } = plan.evaluation!;
  const { spec } = plan.model;
  const { flat, bins } = decodeEvaluationModel(artefact, plan.dp.request.dimension, tasks, most);
  const scoring = { spec, weights: unflatten(spec, base, flat), bins, text, terms: plan.evaluation! };
  const sum = new Float64Array(dp.request.dimension);
  for (const set of heldOut.sets) {
    const name = heldOutPopulation(set.name);
    const population = dp.request.populations.find((candidate) => candidate.name === name);
    if (population === undefined || set.size === 0) continue;
    const units = await scoredUnits(set, scoring, withdrawn);
    for (const records of units.values()) addUnit(sum, plan.evaluation!, records, population.maxGradNorm);
  }
  return sum;
}
