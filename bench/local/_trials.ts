import { calibrateNoiseMultiplier, createPlan } from "../../src/dp/mod.ts";
import {
  DEFAULT_LOCAL_TRAINING,
  DEFAULT_PRETRAINING,
  DEFAULT_TRAINING,
  defaultClip,
  evaluateLocal,
  federatedParameters,
  flatten,
  type LocalModelSpec,
  type LocalPrivacy,
  localTrainingEvent,
  type LocalWeights,
  scheduleShare,
  type SiteFeatures,
  trainLocalPrivately,
  trainWithoutPrivacy,
  unflatten,
} from "../../src/local/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { simulate, union } from "./_simulation.ts";

/** AUROC by task. */
export type Row = Readonly<Record<string, number>>;

/** What every method starts from. */
export interface Trial {
  readonly spec: LocalModelSpec;
  /** Weights after public pre-training. */
  readonly start: LocalWeights;
  /** One per site. */
  readonly sites: readonly SiteFeatures[];
  /** What models are judged on. */
  readonly judged: SiteFeatures;
  readonly seed: number;
}

const DELTA = 1e-5;

/** Privacy modes of the table. */
export type Mode = "distributed" | "local";

/** Total noise of a `distributed` step and of one site's step in `local` mode, in units of the clip. */
export function noiseFor(mode: Mode, epsilon: number, spec: LocalModelSpec, sites: number): number {
  const { samplingRate, steps } = DEFAULT_TRAINING;
  if (mode === "local") {
    const run = DEFAULT_LOCAL_TRAINING;
    return calibrateNoiseMultiplier((noiseMultiplier) => {
      const privacy: LocalPrivacy = { type: "dp_sgd", noiseMultiplier, release: (sum) => sum };
      const samplingRate = new Map([["any", run.samplingRate]]);
      return localTrainingEvent({ steps: run.rounds * run.steps, samplingRate, privacy }, "any");
    }, { epsilon, delta: DELTA, neighboring: "add_or_remove_one" });
  }
  const plan = createPlan({
    populations: [...defaultClip(spec)].map(([name, maxGradNorm]) => {
      return { name, unit: "patient", samplingRate, maxGradNorm };
    }),
    setsAreDisjoint: true,
    neighboring: "add_or_remove_one",
    steps,
    dimension: federatedParameters(spec).dimension,
    cohort: { n: sites, nMin: sites - 1, colluders: 1 },
    maxUnitsPerStep: 4096,
    delta: DELTA,
    target: { epsilon },
  });
  return plan.noise.shareStddev * Math.sqrt(sites) / plan.encoding.scale;
}

/** Figures of the public start. */
export async function publicOnly({ spec, start, judged }: Trial): Promise<Row> {
  return await aurocs(spec, start, judged);
}

/** Figures of the site-trained model; `noise` undefined = no clip and no noise. */
export async function trained(trial: Trial, mode: Mode, noise: number | undefined): Promise<Row> {
  const weights = mode === "distributed" ? await distributed(trial, noise) : await local(trial, noise);
  return await aurocs(trial.spec, weights, trial.judged);
}

async function distributed({ spec, start, sites, seed }: Trial, noise: number | undefined) {
  const features = union(sites);
  if (noise === undefined) {
    return await trainWithoutPrivacy(spec, start, features, { ...DEFAULT_PRETRAINING, steps: 40, seed });
  }
  const { samplingRate, steps, learningRate, optimizer: name } = DEFAULT_TRAINING;
  const optimizer = {
    name,
    learningRate,
    beta1: 0.9,
    beta2: 0.99,
    adaptivity: 1e-8,
    anchorDecay: 0,
    decaySteps: steps,
  };
  const run = { steps, samplingRate, noise, clip: defaultClip(spec), optimizer };
  return (await simulate(spec, start, features, run, new SeededRandom(seed))).weights;
}

/** Federated averaging of the sites' clipped updates (McMahan et al. 2017), all sites in every round. */
async function local({ spec, start, sites, seed }: Trial, noise: number | undefined): Promise<LocalWeights> {
  const random = new SeededRandom(seed);
  const { rounds, learningRate, roundSchedule, ...run } = DEFAULT_LOCAL_TRAINING;
  const privacy: LocalPrivacy = noise === undefined ? { type: "none" } : {
    type: "dp_sgd",
    noiseMultiplier: noise,
    release: (sum) => sum.map((value) => value + noise * random.normal()),
  };
  const randomBytes = (length: number): Uint8Array =>
    Uint8Array.from({ length }, () => random.nextUint32() >>> 24);
  let weights = start;
  for (let round = 0; round < rounds; round++) {
    const flat = flatten(spec, weights);
    const options = {
      ...run,
      clip: defaultClip(spec),
      samplingRate: new Map([...defaultClip(spec).keys()].map((set) => [set, run.samplingRate])),
      learningRate: learningRate * scheduleShare(roundSchedule, round + 1, rounds),
      privacy,
      randomBytes,
    };
    for (const site of sites) {
      const training = trainLocalPrivately(spec, weights, site, options);
      let step = await training.next();
      while (step.done !== true) step = await training.next();
      step.value.update.forEach((value, i) => flat[i] += value / sites.length);
    }
    weights = unflatten(spec, weights, flat);
  }
  return weights;
}

async function aurocs(spec: LocalModelSpec, weights: LocalWeights, features: SiteFeatures): Promise<Row> {
  const figures = await evaluateLocal(spec, weights, features);
  return Object.fromEntries(Object.entries(figures).map(([task, { auroc }]) => [task, auroc ?? NaN]));
}
