import { FedKimError } from "../formats/errors.ts";
import { type Strategy, type StrategyName, strategyNamed } from "./strategies/mod.ts";

/** Server-side step on the flat federated parameters: the strategy gives the direction, this the rest. */
export interface ServerOptimizerConfig {
  /** Which of the shipped strategies gives the direction. */
  readonly name: StrategyName;
  /** A strategy of one's own, instead of the one that `name` means. */
  readonly strategy?: Strategy;
  /** Step size. */
  readonly learningRate: number;
  /** Momentum of the first moment, in [0, 1). */
  readonly beta1: number;
  /** Decay of the second moment, in [0, 1). */
  readonly beta2: number;
  /** Floor under the root of the second moment. */
  readonly adaptivity: number;
  /** Weight decay towards the public-pretrained start, per step (0 = none). */
  readonly anchorDecay: number;
  /** Steps over which the step size falls linearly to a tenth; 0 keeps it constant. */
  readonly decaySteps: number;
}

/** What the server carries from step to step. */
export interface ServerOptimizerState {
  /** Steps taken. */
  readonly step: number;
  /** Number of parameters d. */
  readonly dimension: number;
  /** What the strategy remembers, vectors `[d]`; empty before the first step. */
  readonly memory: readonly Float64Array[];
}

/** The state before the first step. @param dimension number of parameters d */
export function initServerOptimizer(dimension: number): ServerOptimizerState {
  return { step: 0, dimension, memory: [] };
}

/**
 * One step down the aggregated gradient. A post-processing of a private sum: costs no privacy.
 * @param config the rule
 * @param state what the step before has left
 * @param parameters `[d]` before the step
 * @param anchor `[d]` the public-pretrained start, for `anchorDecay`
 * @param gradient `[d]` aggregated gradient, divided by a public constant
 * @throws FedKimError `ModelError` where sizes differ, or a strategy gives something else than it promised
 */
export function serverStep(
  config: ServerOptimizerConfig,
  state: ServerOptimizerState,
  parameters: Float64Array,
  anchor: Float64Array,
  gradient: Float64Array,
): { readonly state: ServerOptimizerState; readonly parameters: Float64Array } {
  const d = parameters.length;
  if (gradient.length !== d || anchor.length !== d || state.dimension !== d) {
    throw misfit(`${gradient.length} coordinates`, `${d} coordinates`);
  }
  const strategy = config.strategy ?? strategyNamed(config.name, config);
  const step = state.step + 1;
  const before = state.memory.length < strategy.memory
    ? Array.from({ length: strategy.memory }, () => new Float64Array(d))
    : state.memory.slice(0, strategy.memory);
  const { direction, memory } = strategy.direction(before, gradient, step);
  const vectors = [direction, ...memory];
  if (memory.length !== strategy.memory || vectors.some(({ length }) => length !== d)) {
    throw misfit(
      `${memory.length} vectors of the strategy ${strategy.name}`,
      `a direction and ${strategy.memory} vectors of ${d} coordinates`,
    );
  }
  if (!vectors.every((vector) => vector.every(Number.isFinite))) {
    throw misfit(`a value of the strategy ${strategy.name} that is not finite`, "finite values");
  }
  const rate = learningRateAt(config, step);
  const next = parameters.map((value, i) =>
    value - rate * direction[i] - config.anchorDecay * (value - anchor[i])
  );
  return { state: { step, dimension: d, memory }, parameters: next };
}

/** Step size at a 1-based step. */
function learningRateAt(config: ServerOptimizerConfig, step: number): number {
  if (config.decaySteps === 0) return config.learningRate;
  return config.learningRate * (1 - 0.9 * Math.min(1, (step - 1) / config.decaySteps));
}

function misfit(found: string, needed: string): FedKimError {
  return new FedKimError("ModelError", "The aggregate does not fit the model.", { found, needed });
}
