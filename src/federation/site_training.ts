import { decodeSum, encodeUpdate } from "../dp/mod.ts";
import {
  clippedGradientSum,
  type LocalTrainingOptions,
  type LocalWeights,
  sampleUnits,
  scheduleShare,
  type SiteIndex,
  StoredFeatures,
  type TokenEmbedding,
  type TrainingFeatures,
  trainLocalPrivately,
  unflatten,
} from "../local/mod.ts";
import type { RandomBytes } from "../formats/random_bytes.ts";
import { FedKimError } from "../formats/errors.ts";
import type { FederationPlan, LocalPlan } from "./federation_plan.ts";
import { encodeModelUpdate } from "./update_encoding.ts";

/** A site that has accepted a plan: its stem features are computed once and kept. */
export interface TrainingSite {
  /** The plan. */
  readonly plan: FederationPlan;
  /** Public-pretrained weights, frozen and federated. */
  readonly base: LocalWeights;
  /** Outputs of the frozen lower layers for this site's records, in memory or on disk. */
  readonly features: TrainingFeatures;
  /** Populations of the plan that this site holds. */
  readonly populations: readonly string[];
}

/** A site whose features lie in files; they are removed when the value is disposed of. */
export interface StoredTrainingSite extends TrainingSite, Disposable {}

/**
 * Prepares a site for a plan: computes the frozen features of its records into files, so that memory does not grow with
 * their number.
 * @param plan the plan
 * @param base public-pretrained weights
 * @param index the site's records
 * @param text the plan's token table
 * @param folder a private folder on a disk with room
 * @throws FedKimError `DatasetError` where its data do not have the plan's features
 */
export async function prepareTraining(
  plan: FederationPlan,
  base: LocalWeights,
  index: SiteIndex,
  text: TokenEmbedding,
  folder: string,
): Promise<StoredTrainingSite> {
  const populations = plan.dp.request.populations.map((population) => population.name)
    .filter((name) => index.sets.some((set) => set.name === name));
  if (populations.length === 0) {
    throw new FedKimError("DatasetError", "This site holds none of the plan's sets.", {
      found: index.sets.map((set) => set.name).join(", ") || "no set",
      needed: plan.dp.request.populations.map((population) => population.name).join(", "),
    });
  }
  requireSameTasks(plan, index);
  const features = await StoredFeatures.create(folder, plan.model.spec, base, index, text);
  return { plan, base, features, populations, [Symbol.dispose]: () => features[Symbol.dispose]() };
}

/** A head of another form than the manifest's task could fail at some labels and not at others, which would tell them. */
function requireSameTasks({ model }: FederationPlan, { sets }: SiteIndex): void {
  for (const { task: name, set, type, answers } of model.spec.heads) {
    const own = sets.find((one) => one.name === set)?.manifest.tasks.find((task) => task.name === name);
    if (own === undefined) continue;
    const classes = type === "multiclass" || type === "multilabel" ? own.classes ?? [] : undefined;
    if (own.type === type && (classes === undefined || classes.join("\n") === answers?.join("\n"))) continue;
    throw new FedKimError("DatasetError", `The task ${name} of the plan is another one than this site's.`, {
      found: `${type} with ${answers?.length ?? 1} answers`,
      needed: `${own.type}${
        own.classes === undefined ? "" : ` with the ${own.classes.length} classes of the manifest`
      }`,
      remedy: "have the public manifest and the site's name the same classes in the same order",
    });
  }
}

/** Which aggregation a contribution is for; of use in `local` mode only. */
export interface RoundPlace {
  /** Number of the round, from 1. */
  readonly round: number;
  /** Called after each of the site's own steps; stays at the site. */
  readonly onStep?: (step: number, steps: number) => void;
}

/**
 * One aggregation's contribution: in `distributed` mode one step's noised sum of clipped gradients, in `local` mode the
 * clipped change of the model over the site's own noised steps.
 * @param site the prepared site
 * @param flat the federated parameters of this step `[d]`
 * @param randomBytes source of sampling and noise, never seeded in the product
 * @param place the round, which decides the step size in `local` mode
 * @returns `[d]` integers modulo 2^32, ready to be masked; units with a non-finite gradient contribute zero
 */
export async function stepContribution(
  site: TrainingSite,
  flat: Float64Array,
  randomBytes: RandomBytes,
  place: RoundPlace = { round: 1 },
): Promise<Uint32Array> {
  const { plan } = site;
  const weights = unflatten(plan.model.spec, site.base, flat);
  if (plan.mode === "local") return await localUpdate(site, plan, weights, randomBytes, place);
  const sampled = new Map<string, string[]>();
  for (const { name, samplingRate } of plan.dp.request.populations) {
    const set = site.features.sets.get(name);
    if (set !== undefined) sampled.set(name, sampleUnits(set, samplingRate, randomBytes));
  }
  const { sum } = await clippedGradientSum(plan.model.spec, weights, site.features, sampled, clipsOf(plan));
  return encodeUpdate(plan.dp, sum, randomBytes);
}

/** Every step's sum is rounded to the plan's grid and gets the whole noise; all that follows is post-processing. */
async function localUpdate(
  { features }: TrainingSite,
  plan: LocalPlan,
  start: LocalWeights,
  randomBytes: RandomBytes,
  { round, onStep }: RoundPlace,
): Promise<Uint32Array> {
  const { roundSchedule, learningRate, ...local } = plan.local;
  const options: LocalTrainingOptions = {
    ...local,
    learningRate: learningRate * scheduleShare(roundSchedule, round, plan.dp.request.steps),
    samplingRate: new Map(plan.dp.request.populations.map(({ name, samplingRate }) => [name, samplingRate])),
    clip: clipsOf(plan),
    privacy: {
      type: "dp_sgd",
      noiseMultiplier: plan.dp.noise.noiseMultiplier,
      release: (sum) => decodeSum(plan.dp, encodeUpdate(plan.dp, sum, randomBytes)),
    },
    randomBytes,
  };
  const training = trainLocalPrivately(plan.model.spec, start, features, options);
  let next = await training.next();
  while (next.done !== true) {
    onStep?.(next.value.step, next.value.steps);
    next = await training.next();
  }
  return encodeModelUpdate(plan, next.value.update);
}

function clipsOf({ dp }: FederationPlan): Map<string, number> {
  return new Map(dp.request.populations.map(({ name, maxGradNorm }) => [name, maxGradNorm]));
}
