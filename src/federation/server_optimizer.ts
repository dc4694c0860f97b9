import { FedKimError } from "../formats/errors.ts";

/**
 * Server-side step on the flat federated parameters. `fedavg` is plain gradient descent on the aggregate
 * (with momentum where `beta1` is not 0): FedAvg where the aggregate is a mean of model changes; `fedadam` and `fedyogi` are Reddi et al. 2021, Algorithm 2, with bias correction.
 */
export interface ServerOptimizerConfig {
  /** Which rule moves the parameters. */
  readonly name: "fedavg" | "fedadam" | "fedyogi";
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

/** What the optimizer carries from step to step. */
export interface ServerOptimizerState {
  /** Steps taken. */
  readonly step: number;
  /** First moment `[d]`. */
  readonly m: Float64Array;
  /** Second moment `[d]`. */
  readonly v: Float64Array;
}

/** The state before the first step. @param dimension number of parameters d */
export function initServerOptimizer(dimension: number): ServerOptimizerState {
  return { step: 0, m: new Float64Array(dimension), v: new Float64Array(dimension) };
}

/**
 * One step down the aggregated gradient. A post-processing of a private sum: costs no privacy.
 * @param config the rule
 * @param state moments before the step
 * @param parameters `[d]` before the step
 * @param anchor `[d]` the public-pretrained start, for `anchorDecay`
 * @param gradient `[d]` aggregated gradient, divided by a public constant
 */
export function serverStep(
  config: ServerOptimizerConfig,
  state: ServerOptimizerState,
  parameters: Float64Array,
  anchor: Float64Array,
  gradient: Float64Array,
): { readonly state: ServerOptimizerState; readonly parameters: Float64Array } {
  const d = parameters.length;
  if (gradient.length !== d || anchor.length !== d || state.m.length !== d) {
    throw new FedKimError("ModelError", "The aggregate does not fit the model.", {
      found: `${gradient.length} coordinates`,
      needed: `${d} coordinates`,
    });
  }
  const step = state.step + 1;
  const m = state.m.slice();
  const v = state.v.slice();
  const next = parameters.slice();
  const rate = learningRateAt(config, step);
  const correct1 = 1 - Math.pow(config.beta1, step);
  const correct2 = 1 - Math.pow(config.beta2, step);
  for (let i = 0; i < d; i++) {
    const g = gradient[i];
    m[i] = config.beta1 * m[i] + (1 - config.beta1) * g;
    if (config.name === "fedadam") v[i] = config.beta2 * v[i] + (1 - config.beta2) * g * g;
    else if (config.name === "fedyogi") v[i] -= (1 - config.beta2) * g * g * Math.sign(v[i] - g * g);
    const scale = config.name === "fedavg" ? 1 : 1 / (Math.sqrt(v[i] / correct2) + config.adaptivity);
    next[i] -= rate * (m[i] / correct1) * scale + config.anchorDecay * (parameters[i] - anchor[i]);
  }
  return { state: { step, m, v }, parameters: next };
}

/** Step size at a 1-based step. */
function learningRateAt(config: ServerOptimizerConfig, step: number): number {
  if (config.decaySteps === 0) return config.learningRate;
  return config.learningRate * (1 - 0.9 * Math.min(1, (step - 1) / config.decaySteps));
}
