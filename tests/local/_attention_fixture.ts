import {
  createSpec,
  flatten,
  type LocalModelOptions,
  type LocalModelSpec,
  type LocalWeights,
  prepareFeatures,
  pretrainOnPublic,
  type SiteFeatures,
  unflatten,
} from "../../src/local/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { LETTERS, madeUpSite, TASKS } from "./_fixtures.ts";

/** A model and a site's features. */
export interface Case {
  readonly spec: LocalModelSpec;
  readonly weights: LocalWeights;
  readonly features: SiteFeatures;
}

/** Attention encoders for every kind of modality but vectors, small. */
export const ATTENTION: Partial<LocalModelOptions> = {
  dEnc: 8,
  hidden: 5,
  tokenDimension: 6,
  attention: {
    timeseries: { tokens: 4, blocks: 2, heads: 2, hidden: 6 },
    signal: { tokens: 3, blocks: 1, heads: 4, hidden: 4 },
    image: { tokens: 16, blocks: 1, heads: 1, hidden: 4 },
    text: { tokens: 2, blocks: 1, heads: 2, hidden: 4 },
  },
};

/** The residual encoders of the default, small. */
export const RESIDUAL: Partial<LocalModelOptions> = { dEnc: 8, hidden: 5, tokenDimension: 6 };

/** A model with random, non-zero weights, so that every layer has a gradient, on the wasm backend. */
export async function makeCase(
  options: Partial<LocalModelOptions>,
  sizes: readonly number[],
): Promise<Case> {
  await selectBackend("wasm");
  const publicData = madeUpSite(1, [2, 3, 1, 4]);
  const full = createSpec(publicData, TASKS, { ...options, federate: ["*"] });
  const start = await pretrainOnPublic(full, publicData, LETTERS, { seed: 7, steps: 1 });
  const random = new SeededRandom(3);
  const weights = unflatten(full, start, flatten(full, start).map(() => 0.4 * random.normal()));
  const spec = createSpec(publicData, TASKS, options);
  return { spec, weights, features: prepareFeatures(spec, weights, madeUpSite(2, sizes), LETTERS) };
}
