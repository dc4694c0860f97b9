import { FedKimError } from "../formats/errors.ts";

/** How a site moves its parameters along a gradient estimate. */
export type LocalOptimizer =
  | {
    /** Gradient descent, optionally with heavy-ball momentum (Polyak 1964). */
    readonly type: "sgd";
    /** In [0, 1); 0 = none. */
    readonly momentum: number;
  }
  | {
    /** Adam with bias correction (Kingma and Ba 2015, algorithm 1). */
    readonly type: "adam";
    /** Decay of the first moment, in [0, 1). */
    readonly beta1: number;
    /** Decay of the second moment, in [0, 1). */
    readonly beta2: number;
    /** Floor under the root of the second moment. */
    readonly epsilon: number;
  };

/**
 * The step size over a run, as a share of the base step size. Under noise a falling schedule matters more
 * than without: the last steps decide how much noise stays in the parameters.
 */
export type LearningRateSchedule =
  | {
    /** The same at every step. */
    readonly type: "constant";
  }
  | {
    /** Falls on a line from 1 to `last`. */
    readonly type: "linear";
    /** Share at the last step. */
    readonly last: number;
  }
  | {
    /**
     * Rises on a line over `warmup` steps, then falls on half a cosine to `last` (Loshchilov and Hutter
     * 2017).
     */
    readonly type: "cosine";
    /** Steps of the rise. */
    readonly warmup: number;
    /** Share at the last step. */
    readonly last: number;
  };

/**
 * The share of the base step size at one step.
 *
 * @param schedule the schedule
 * @param step 1-based
 * @param steps length of the run
 */
export function scheduleShare(schedule: LearningRateSchedule, step: number, steps: number): number {
  switch (schedule.type) {
    case "constant":
      return 1;
    case "linear":
      return 1 - (1 - schedule.last) * ((step - 1) / Math.max(1, steps - 1));
    case "cosine": {
      if (step <= schedule.warmup) return step / schedule.warmup;
      const done = (step - schedule.warmup) / Math.max(1, steps - schedule.warmup);
      return schedule.last + (1 - schedule.last) * 0.5 * (1 + Math.cos(Math.PI * done));
    }
  }
}

/** Running averages of an optimizer; both arrays have one entry per parameter. */
export interface Moments {
  /** First moment, or the momentum. */
  readonly first: Float32Array;
  /** Second moment; stays zero under gradient descent. */
  readonly second: Float32Array;
}

/**
 * One step, in place. Arithmetic is float64, storage float32, so that a checkpoint loses nothing.
 *
 * @param optimizer the rule
 * @param moments running averages, changed in place
 * @param parameters changed in place
 * @param gradient estimate of the gradient
 * @param rate step size of this step
 * @param step 1-based
 */
export function optimizerStep(
  optimizer: LocalOptimizer,
  { first, second }: Moments,
  parameters: Float32Array,
  gradient: Float64Array,
  rate: number,
  step: number,
): void {
  if (optimizer.type === "sgd") {
    for (let i = 0; i < parameters.length; i++) {
      first[i] = optimizer.momentum * first[i] + gradient[i];
      parameters[i] -= rate * first[i];
    }
    return;
  }
  const { beta1, beta2, epsilon } = optimizer;
  const correct1 = 1 - beta1 ** step, correct2 = 1 - beta2 ** step;
  for (let i = 0; i < parameters.length; i++) {
    first[i] = beta1 * first[i] + (1 - beta1) * gradient[i];
    second[i] = beta2 * second[i] + (1 - beta2) * gradient[i] * gradient[i];
    parameters[i] -= rate * (first[i] / correct1) / (Math.sqrt(second[i] / correct2) + epsilon);
  }
}

/**
 * Checks an optimizer's settings.
 *
 * @param optimizer the rule
 * @throws FedKimError `ConfigError` for a decay outside of [0, 1) or a floor that is not positive
 */
export function checkOptimizer(optimizer: LocalOptimizer): void {
  const decays = optimizer.type === "sgd" ? [optimizer.momentum] : [optimizer.beta1, optimizer.beta2];
  const fits = decays.every((decay) => decay >= 0 && decay < 1) &&
    (optimizer.type === "sgd" || optimizer.epsilon > 0);
  if (fits) return;
  throw new FedKimError("ConfigError", `The settings of the optimizer ${optimizer.type} are out of range.`, {
    needed: "decays and momentum in [0, 1), a positive floor",
  });
}
