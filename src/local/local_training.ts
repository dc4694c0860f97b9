import type { DpEvent } from "../dp/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { cryptoRandomBytes, type RandomBytes } from "../formats/random_bytes.ts";
import { clippedGradientSum } from "./clipped_gradient.ts";
import {
  checkOptimizer,
  type LearningRateSchedule,
  type LocalOptimizer,
  optimizerStep,
  scheduleShare,
} from "./optimizer.ts";
import type { LocalModelSpec } from "./spec.ts";
import { sampleUnits, type TrainingFeatures } from "./training_set.ts";
import type { LocalTrainingState } from "./training_state.ts";
import { federatedParameters, flatten, type LocalWeights, unflatten } from "./weights.ts";

/**
 * Gives a step's sum with noise: all that the rest of the run sees of the records. In a federation the sum is rounded to
 * the plan's grid and gets exact, secret noise (`encodeUpdate` of `dp`); it is never seeded outside of tests and
 * benchmarks.
 */
export type NoisyRelease = (sum: Float64Array) => Float64Array;

/** What protects a site's steps. */
export type LocalPrivacy =
  | {
    /** DP-SGD: every unit is clipped to its set's norm C, and each step's sum gets noise. */
    readonly type: "dp_sgd";
    /** Standard deviation of the noise on every coordinate over the sensitivity of the sum, in units of C. */
    readonly noiseMultiplier: number;
    /** Adds it. */
    readonly release: NoisyRelease;
  }
  | {
    /** No clip and no noise, for comparison on data that need no protection; all else is the same. */
    readonly type: "none";
  };

/** One site's run between two aggregations. Every number here is public: a constant of the signed plan. */
export interface LocalTrainingOptions {
  /** Steps. */
  readonly steps: number;
  /** Poisson sampling rate q by set, in (0, 1]: one for every set of `clip`. */
  readonly samplingRate: ReadonlyMap<string, number>;
  /** Clipping norm C by set; gradients are divided by it, also without privacy. */
  readonly clip: ReadonlyMap<string, number>;
  /** What every step's sum is divided by: a public guess of the units in a step, never the true count. */
  readonly expectedUnits: number;
  /** The rule. */
  readonly optimizer: LocalOptimizer;
  /** Base step size. */
  readonly learningRate: number;
  /** The step size over the run. */
  readonly schedule: LearningRateSchedule;
  /**
   * FedProx's mu (Li et al. 2020, equation 2): pull towards the weights that the run starts from; 0 = none.
   */
  readonly proximal: number;
  /** Largest l2 norm of the model update that comes out. */
  readonly updateClip: number;
  /** DP-SGD or nothing. */
  readonly privacy: LocalPrivacy;
  /** Source of the Poisson samples; the operating system's by default. */
  readonly randomBytes?: RandomBytes;
  /** Rows per tensor batch: less memory, the same result. */
  readonly microbatchRows?: number;
}

/** Reported after each step. Counts are private: for the site's own eyes, never to be sent. */
export interface LocalTrainingProgress {
  /** Steps done. */
  readonly step: number;
  /** Steps in all. */
  readonly steps: number;
  /** Step size that was used. */
  readonly learningRate: number;
  /** Units with a gradient that was not finite; they contributed zero. */
  readonly nonFinite: number;
  /** A copy of everything needed to go on from here; noise of steps done is in it and is not drawn again. */
  readonly state: LocalTrainingState;
}

/** What a run gives to secure aggregation. */
export interface LocalUpdate {
  /** End minus start, in the layout of `federatedParameters`, shortened to `updateClip`. */
  readonly update: Float64Array;
  /** Whether it was shortened; as private as the noise makes it. */
  readonly clipped: boolean;
  /** State after the last step. */
  readonly state: LocalTrainingState;
}

/**
 * The classic way of federated learning with a guarantee that needs no secure sum: a site trains for some
 * steps of DP-SGD (Abadi et al. 2016, algorithm 1) with the full noise, and hands over the model's clipped
 * change. All that follows from the noised sums is post-processing. Sampling is Poisson; an empty sample is a
 * step too.
 *
 * @param spec the model
 * @param start weights that the run starts from, the same at every site
 * @param features the site's features, in memory or on disk
 * @param options public constants of the run
 * @param resume a state of a run with the same start and options
 * @returns yields after every step, then returns the update
 * @throws FedKimError `ConfigError` for options out of range or noise of another length, `ModelError` for a
 * state of another model
 */
export async function* trainLocalPrivately(
  spec: LocalModelSpec,
  start: LocalWeights,
  features: TrainingFeatures,
  options: LocalTrainingOptions,
  resume?: LocalTrainingState,
): AsyncGenerator<LocalTrainingProgress, LocalUpdate> {
  checkOptions(options);
  const { dimension } = federatedParameters(spec);
  const anchor = flatten(spec, start);
  const state = copyState(resume ?? initialState(anchor), dimension);
  const { steps, schedule, optimizer, proximal } = options;
  for (let step = state.step + 1; step <= steps; step++) {
    const weights = unflatten(spec, start, Float64Array.from(state.parameters));
    const { gradient, nonFinite } = await noisyGradient(spec, weights, features, options);
    for (let i = 0; i < dimension; i++) gradient[i] += proximal * (state.parameters[i] - anchor[i]);
    const learningRate = options.learningRate * scheduleShare(schedule, step, steps);
    optimizerStep(optimizer, state, state.parameters, gradient, learningRate, step);
    state.step = step;
    yield { step, steps, learningRate, nonFinite, state: copyState(state, dimension) };
  }
  const update = Float64Array.from(state.parameters, (value, i) => value - anchor[i]);
  const norm = Math.sqrt(update.reduce((sum, value) => sum + value * value, 0));
  if (!Number.isFinite(norm)) {
    throw new FedKimError("ModelError", "Training left the range of numbers.", {
      remedy: "lower the learning rate",
    });
  }
  // The factor stays below clip / norm after rounding, so the update is never longer than the clip.
  const factor = Math.min(1, options.updateClip / (norm * (1 + 1e-12)));
  return { update: update.map((value) => value * factor), clipped: factor < 1, state };
}

/**
 * What a run of DP-SGD costs every unit of one set: its steps as events for the accountant. Sets compose in parallel.
 *
 * @param options steps, sampling rates and noise of the run
 * @param set name of the set
 * @throws FedKimError `ConfigError` for a run without privacy, which has no finite cost, or a set without a rate
 */
export function localTrainingEvent(
  options: Pick<LocalTrainingOptions, "steps" | "samplingRate" | "privacy">,
  set: string,
): DpEvent {
  const { steps, privacy } = options;
  if (privacy.type !== "dp_sgd") {
    throw new FedKimError(
      "ConfigError",
      "Training without noise has no privacy cost that could be charged.",
      {
        needed: "the privacy type dp_sgd",
      },
    );
  }
  const step: DpEvent = {
    type: "poisson",
    q: rateOf(options, set),
    event: { type: "gaussian", sigma: privacy.noiseMultiplier },
  };
  return { type: "self_composed", event: step, count: steps };
}

function rateOf({ samplingRate }: Pick<LocalTrainingOptions, "samplingRate">, set: string): number {
  const rate = samplingRate.get(set);
  if (rate !== undefined && rate > 0 && rate <= 1) return rate;
  throw new FedKimError("ConfigError", `The set ${set} has no usable sampling rate.`, {
    ...(rate === undefined ? {} : { found: String(rate) }),
    needed: "a number in (0, 1]",
  });
}

async function noisyGradient(
  spec: LocalModelSpec,
  weights: LocalWeights,
  features: TrainingFeatures,
  options: LocalTrainingOptions,
): Promise<{ readonly gradient: Float64Array; readonly nonFinite: number }> {
  const { clip, privacy, expectedUnits, randomBytes = cryptoRandomBytes } = options;
  const sampled = new Map<string, string[]>();
  for (const name of clip.keys()) {
    const set = features.sets.get(name);
    if (set !== undefined) sampled.set(name, sampleUnits(set, rateOf(options, name), randomBytes));
  }
  const { sum, nonFinite } = await clippedGradientSum(spec, weights, features, sampled, clip, {
    ...(options.microbatchRows === undefined ? {} : { rows: options.microbatchRows }),
    clipping: privacy.type === "dp_sgd",
    randomBytes,
  });
  const released = privacy.type === "dp_sgd" ? privacy.release(sum) : sum;
  if (released.length !== federatedParameters(spec).dimension || !released.every(Number.isFinite)) {
    throw new FedKimError("ConfigError", "A sum with noise does not have the form of the sum.", {
      found: `${released.length} values`,
      needed: `${federatedParameters(spec).dimension} finite values`,
    });
  }
  return { gradient: released.map((value) => value / expectedUnits), nonFinite };
}

/** A state whose arrays may be written to. */
type OwnState = { -readonly [Key in keyof LocalTrainingState]: LocalTrainingState[Key] };

function initialState(anchor: Float64Array): LocalTrainingState {
  const zeros = (): Float32Array => new Float32Array(anchor.length);
  return { step: 0, parameters: Float32Array.from(anchor), first: zeros(), second: zeros() };
}

function copyState({ step, parameters, first, second }: LocalTrainingState, dimension: number): OwnState {
  if ([parameters, first, second].some((part) => part.length !== dimension)) {
    throw new FedKimError("ModelError", "A training state does not fit the model.", {
      found: `${parameters.length} parameters`,
      needed: `${dimension} parameters`,
    });
  }
  return { step, parameters: parameters.slice(), first: first.slice(), second: second.slice() };
}

function checkOptions(options: LocalTrainingOptions): void {
  const { steps, expectedUnits, learningRate, proximal, updateClip, privacy } = options;
  checkOptimizer(options.optimizer);
  for (const set of options.clip.keys()) rateOf(options, set);
  const rules: readonly (readonly [boolean, string])[] = [
    [Number.isInteger(steps) && steps > 0, "a positive number of steps"],
    [expectedUnits > 0 && expectedUnits < Infinity, "a positive number of expected units"],
    [learningRate > 0 && learningRate < Infinity, "a positive learning rate"],
    [proximal >= 0 && proximal < Infinity, "a proximal weight that is not negative"],
    [updateClip > 0, "a positive bound on the update"],
    [
      privacy.type === "none" || (privacy.noiseMultiplier > 0 && privacy.noiseMultiplier < Infinity),
      "a positive noise multiplier",
    ],
  ];
  const broken = rules.find(([holds]) => !holds);
  if (broken === undefined) return;
  throw new FedKimError("ConfigError", "A site cannot train with these options.", { needed: broken[1] });
}
