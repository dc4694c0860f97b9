import { type DpEvent, poissonSample } from "../dp/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { cryptoRandomBytes, type RandomBytes } from "../formats/random_bytes.ts";
import { clippedGradientSum } from "./clipped_gradient.ts";
import { type SiteFeatures, units } from "./features.ts";
import {
  checkOptimizer,
  type LearningRateSchedule,
  type LocalOptimizer,
  optimizerStep,
  scheduleShare,
} from "./optimizer.ts";
import type { LocalModelSpec } from "./spec.ts";
import type { LocalTrainingState } from "./training_state.ts";
import { federatedParameters, flatten, type LocalWeights, unflatten } from "./weights.ts";

/**
 * Draws noise: `length` independent values with mean 0 and the given standard deviation. In a federation it
 * is exact and secret (`dp`); it is never seeded outside of tests and benchmarks.
 */
export type NoiseSampler = (deviation: number, length: number) => Float64Array;

/** What protects a site's steps. */
export type LocalPrivacy =
  | {
    /** DP-SGD: every unit is clipped to its set's norm C, and each step's sum gets noise. */
    readonly type: "dp_sgd";
    /** Standard deviation of the noise on every coordinate, in units of C. */
    readonly noiseMultiplier: number;
    /** The noise. */
    readonly noise: NoiseSampler;
  }
  | {
    /** No clip and no noise, for comparison on data that need no protection; all else is the same. */
    readonly type: "none";
  };

/** One site's run between two aggregations. Every number here is public: a constant of the signed plan. */
export interface LocalTrainingOptions {
  /** Steps. */
  readonly steps: number;
  /** Poisson sampling rate q of every set, in (0, 1]. */
  readonly samplingRate: number;
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
 * @param features the site's cached features
 * @param options public constants of the run
 * @param resume a state of a run with the same start and options
 * @returns yields after every step, then returns the update
 * @throws FedKimError `ConfigError` for options out of range or noise of another length, `ModelError` for a
 * state of another model
 */
export async function* trainLocalPrivately(
  spec: LocalModelSpec,
  start: LocalWeights,
  features: SiteFeatures,
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
 * What a run of DP-SGD costs: its steps as events for the accountant. Sets compose in parallel, so this is
 * the cost of every unit of every set.
 *
 * @param options steps, sampling rate and noise of the run
 * @throws FedKimError `ConfigError` for a run without privacy: it has no finite cost
 */
export function localTrainingEvent(
  options: Pick<LocalTrainingOptions, "steps" | "samplingRate" | "privacy">,
): DpEvent {
  const { steps, samplingRate, privacy } = options;
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
    q: samplingRate,
    event: { type: "gaussian", sigma: privacy.noiseMultiplier },
  };
  return { type: "self_composed", event: step, count: steps };
}

async function noisyGradient(
  spec: LocalModelSpec,
  weights: LocalWeights,
  features: SiteFeatures,
  options: LocalTrainingOptions,
): Promise<{ readonly gradient: Float64Array; readonly nonFinite: number }> {
  const { samplingRate, clip, privacy, expectedUnits, randomBytes = cryptoRandomBytes } = options;
  const sampled = new Map<string, string[]>();
  for (const name of clip.keys()) {
    const set = features.sets.get(name);
    if (set !== undefined) sampled.set(name, poissonSample(units(set), samplingRate, randomBytes));
  }
  const { sum, nonFinite } = await clippedGradientSum(spec, weights, features, sampled, clip, {
    ...(options.microbatchRows === undefined ? {} : { rows: options.microbatchRows }),
    clipping: privacy.type === "dp_sgd",
  });
  if (privacy.type === "dp_sgd") {
    const noise = privacy.noise(privacy.noiseMultiplier, sum.length);
    if (noise.length !== sum.length || !noise.every(Number.isFinite)) {
      throw new FedKimError("ConfigError", "The noise sampler gave something else than what was asked for.", {
        found: `${noise.length} values`,
        needed: `${sum.length} finite values`,
      });
    }
    for (let i = 0; i < sum.length; i++) sum[i] += noise[i];
  }
  return { gradient: sum.map((value) => value / expectedUnits), nonFinite };
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
  const { steps, samplingRate, expectedUnits, learningRate, proximal, updateClip, privacy } = options;
  checkOptimizer(options.optimizer);
  const rules: readonly (readonly [boolean, string])[] = [
    [Number.isInteger(steps) && steps > 0, "a positive number of steps"],
    [samplingRate > 0 && samplingRate <= 1, "a sampling rate in (0, 1]"],
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
