import { encodeUpdate, poissonSample } from "../dp/mod.ts";
import {
  clippedGradientSum,
  type LocalWeights,
  prepareFeatures,
  type SiteData,
  type SiteFeatures,
  type TokenEmbedding,
  unflatten,
  units,
} from "../local/mod.ts";
import type { RandomBytes } from "../formats/random_bytes.ts";
import { FedKimError } from "../formats/errors.ts";
import type { FederationPlan } from "./federation_plan.ts";

/** A site that has accepted a plan: its stem features are computed once and kept. */
export interface TrainingSite {
  /** The plan. */
  readonly plan: FederationPlan;
  /** Public-pretrained weights, frozen and federated. */
  readonly base: LocalWeights;
  /** Cached outputs of the frozen lower layers for this site's records. */
  readonly features: SiteFeatures;
  /** Populations of the plan that this site holds. */
  readonly populations: readonly string[];
}

/** Prepares a site for a plan. @throws FedKimError `DatasetError` where its data do not have the plan's features */
export function prepareTraining(
  plan: FederationPlan,
  base: LocalWeights,
  data: SiteData,
  text: TokenEmbedding,
): TrainingSite {
  const features = prepareFeatures(plan.model.spec, base, data, text);
  const populations = plan.dp.request.populations.map((population) => population.name)
    .filter((name) => features.sets.has(name));
  if (populations.length === 0) {
    throw new FedKimError("DatasetError", "This site holds none of the plan's sets.", {
      found: data.sets.map((set) => set.name).join(", ") || "no set",
      needed: plan.dp.request.populations.map((population) => population.name).join(", "),
    });
  }
  return { plan, base, features, populations };
}

/**
 * One step's contribution: Poisson sample, per-unit clipped gradients, sum, rounding and this site's noise share.
 * @param site the prepared site
 * @param flat the federated parameters of this step `[d]`
 * @param randomBytes source of sampling and noise, never seeded in the product
 * @returns `[d]` integers modulo 2^32, ready to be masked; units with a non-finite gradient contribute zero
 */
export async function stepContribution(
  site: TrainingSite,
  flat: Float64Array,
  randomBytes: RandomBytes,
): Promise<Uint32Array> {
  const { spec } = site.plan.model;
  const weights = unflatten(spec, site.base, flat);
  const sampled = new Map<string, string[]>();
  const clip = new Map<string, number>();
  for (const population of site.plan.dp.request.populations) {
    const set = site.features.sets.get(population.name);
    if (set === undefined) continue;
    sampled.set(population.name, poissonSample(units(set), population.samplingRate, randomBytes));
    clip.set(population.name, population.maxGradNorm);
  }
  const { sum } = await clippedGradientSum(spec, weights, site.features, sampled, clip);
  return encodeUpdate(site.plan.dp, sum, randomBytes);
}
