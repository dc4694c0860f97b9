import { FedKimError } from "../formats/errors.ts";
import { SeededRandom } from "../tensor/seeded_random.ts";
import { clippedGradientSum } from "./clipped_gradient.ts";
import { prepareFeatures, type SiteFeatures } from "./features.ts";
import type { SiteData } from "./site_data.ts";
import type { LocalModelSpec } from "./spec.ts";
import { fitStems } from "./stem.ts";
import type { TokenEmbedding } from "./token_embedding.ts";
import { units } from "./training_set.ts";
import {
  federatedParameters,
  flatten,
  type HostTensor,
  type LocalWeights,
  sizeOf,
  unflatten,
} from "./weights.ts";

/** How the upper layers and heads are pre-trained. */
export interface PretrainOptions {
  /** Seeds the initialisation and the subspace iteration of the stems. */
  readonly seed: number;
  /** Full-batch Adam steps. */
  readonly steps: number;
  /** Adam's step size. */
  readonly learningRate: number;
  /** Decoupled weight decay per step, relative to the step size. */
  readonly weightDecay: number;
  /** Called after every step. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Chosen on a by-patient validation split of `public/`: few records overfit within some dozens of steps, and
 * the federation starts from here anyway.
 */
export const DEFAULT_PRETRAINING: Omit<PretrainOptions, "seed"> = {
  steps: 60,
  learningRate: 0.01,
  weightDecay: 1,
};

/**
 * A model from public data only: fits the stems, initialises the upper layers as the identity (residual
 * branch zero) and heads at zero, and trains both on the public labels. Costs no privacy.
 *
 * @param spec the model
 * @param publicData the server's public part
 * @param embedding the frozen token table, for text
 * @param options seed, and optionally the schedule
 * @returns all tensors of the model
 * @throws FedKimError `DatasetError` when the public part has no record
 */
export async function pretrainOnPublic(
  spec: LocalModelSpec,
  publicData: SiteData,
  embedding: TokenEmbedding | undefined,
  options: Partial<PretrainOptions> & Pick<PretrainOptions, "seed">,
): Promise<LocalWeights> {
  if (publicData.sets.every((set) => set.records.length === 0)) {
    throw new FedKimError("DatasetError", `The public data ${publicData.dir} hold no record.`, {
      needed: "records to fit the encoders' stems on",
    });
  }
  const weights = initialWeights(spec, fitStems(spec, publicData, embedding, options.seed), options.seed);
  const features = prepareFeatures(spec, weights, publicData, embedding);
  return await trainWithoutPrivacy(withAllLearned(spec), weights, features, {
    ...DEFAULT_PRETRAINING,
    ...options,
  });
}

/** What starts at random: the last layer of every residual branch, biases and heads start at zero. */
const RANDOM = /\.(down|patch|qkv)\.weight$|\.position\.table$/;

/**
 * The same model with every layer that a head needs as a trained one: public data may move those that sites
 * do not.
 */
function withAllLearned(spec: LocalModelSpec): LocalModelSpec {
  const prefixes = [
    ...spec.encoders.filter(({ federated }) => federated).map(({ modality }) => `encoder.${modality}.`),
    ...spec.heads.map(({ task }) => `head.${task}.`),
  ];
  const parameters = spec.parameters.map((parameter) => {
    return { ...parameter, federated: prefixes.some((prefix) => parameter.name.startsWith(prefix)) };
  });
  return { ...spec, parameters };
}

/**
 * Weights before any training: the stems, a residual branch that adds nothing, and heads that answer
 * "unknown".
 *
 * @param spec the model
 * @param stems tensors `stem.*`
 * @param seed draws the first layer
 */
export function initialWeights(
  spec: LocalModelSpec,
  stems: ReadonlyMap<string, HostTensor>,
  seed: number,
): LocalWeights {
  const random = new SeededRandom(seed);
  const weights = new Map(stems);
  for (const { name, shape } of spec.parameters) {
    if (weights.has(name)) continue;
    const data = new Float32Array(sizeOf(shape));
    if (RANDOM.test(name)) {
      const spread = 1 / Math.sqrt(shape[0]);
      data.forEach((_, index) => data[index] = spread * random.normal());
    } else if (/\.norm\d\.scale$/.test(name)) data.fill(1);
    weights.set(name, { shape, data });
  }
  return weights;
}

/**
 * Full-batch training without privacy, for public data and for comparison: every unit counts with the mean of
 * its set, so that large sets do not drown small ones. AdamW (Loshchilov and Hutter 2019).
 *
 * @param spec the model
 * @param start weights to start from
 * @param features records that may be used without a privacy guarantee
 * @param options the schedule
 * @returns trained weights
 */
export async function trainWithoutPrivacy(
  spec: LocalModelSpec,
  start: LocalWeights,
  features: SiteFeatures,
  options: PretrainOptions,
): Promise<LocalWeights> {
  const { dimension } = federatedParameters(spec);
  const flat = flatten(spec, start);
  const first = new Float64Array(dimension), second = new Float64Array(dimension);
  let weights = start;
  for (let step = 1; step <= options.steps; step++) {
    const gradient = new Float64Array(dimension);
    for (const [name, set] of features.sets) {
      const every = new Map([[name, units(set)]]);
      const { sum } = await clippedGradientSum(spec, weights, features, every, new Map([[name, 1]]), {
        clipping: false,
      });
      for (let i = 0; i < dimension; i++) gradient[i] += sum[i] / set.size;
    }
    const rate = options.learningRate * (1 - (step - 1) / options.steps);
    for (let i = 0; i < dimension; i++) {
      first[i] = 0.9 * first[i] + 0.1 * gradient[i];
      second[i] = 0.99 * second[i] + 0.01 * gradient[i] ** 2;
      const direction = (first[i] / (1 - 0.9 ** step)) / (Math.sqrt(second[i] / (1 - 0.99 ** step)) + 1e-8);
      flat[i] -= rate * (direction + options.weightDecay * flat[i]);
    }
    weights = unflatten(spec, weights, flat);
    options.onProgress?.(step, options.steps);
  }
  return weights;
}
