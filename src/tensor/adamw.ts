import { hasOwnKernel, runOwnKernel } from "./_own_kernels.ts";
import { readFloat32 } from "./read.ts";
import { tf } from "./_tf.ts";
import { disposeAll } from "./scope.ts";
import { globalNorm } from "./sums.ts";

/** Constants of {@link AdamW}. */
export interface AdamWOptions {
  /** Decay of the first moment. */
  readonly beta1?: number;
  /** Decay of the second moment. */
  readonly beta2?: number;
  /** Added to the root of the second moment. */
  readonly epsilon?: number;
  /** Decoupled decay of matrices; vectors (biases, gains) are not decayed. */
  readonly weightDecay?: number;
}

/** What {@link AdamW} needs to go on where it was. */
export interface AdamWState {
  /** Updates made. */
  readonly steps: number;
  /** First, then second moments, each in the order of the variables. */
  readonly moments: readonly Float32Array[];
}

/** One variable with its moments. */
interface State {
  readonly variable: tf.Variable;
  readonly first: tf.Variable;
  readonly second: tf.Variable;
}

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019) over a fixed list of variables. */
export class AdamW {
  readonly #variables: readonly tf.Variable[];
  readonly #first: readonly tf.Variable[];
  readonly #second: readonly tf.Variable[];
  readonly #options: Required<AdamWOptions>;
  #steps = 0;

  /**
   * Makes an optimizer with zero moments.
   *
   * @param variables what is trained; they stay the caller's
   * @param options constants, with the usual defaults
   */
  constructor(variables: readonly tf.Variable[], options: AdamWOptions = {}) {
    this.#variables = variables;
    const zeros = (): tf.Variable[] =>
      variables.map(({ shape }) => tf.tidy(() => tf.variable(tf.zeros(shape), false)));
    this.#first = zeros();
    this.#second = zeros();
    this.#options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, ...options };
  }

  /**
   * Makes one update in place.
   *
   * @param gradients one per variable, in order; they are not disposed
   * @param learningRate step size of this update
   * @param gradientScale scalar factor on all gradients, e.g. from {@link clipFactor}; 1 by default
   */
  step(gradients: readonly tf.Tensor[], learningRate: number, gradientScale?: tf.Scalar): void {
    this.#steps++;
    this.#variables.forEach((variable, index) =>
      tf.tidy(() => {
        const state = { variable, first: this.#first[index], second: this.#second[index] };
        const factor = gradientScale ?? tf.scalar(1);
        const [next, first, second] = hasOwnKernel("FkAdamW")
          ? this.#fused(state, gradients[index], factor, learningRate)
          : this.#composed(state, gradients[index].mul(factor), learningRate);
        variable.assign(next);
        state.first.assign(first);
        state.second.assign(second);
      })
    );
  }

  #fused(
    { variable, first, second }: State,
    gradient: tf.Tensor,
    factor: tf.Scalar,
    learningRate: number,
  ): tf.Tensor[] {
    const { beta1, beta2, epsilon, weightDecay } = this.#options;
    return runOwnKernel("FkAdamW", { variable, first, second, gradient, factor }, {
      beta1,
      beta2,
      epsilon,
      rate: learningRate / (1 - beta1 ** this.#steps),
      correction2: 1 - beta2 ** this.#steps,
      kept: variable.rank >= 2 ? 1 - learningRate * weightDecay : 1,
    });
  }

  #composed({ variable, first, second }: State, gradient: tf.Tensor, learningRate: number): tf.Tensor[] {
    const { beta1, beta2, epsilon, weightDecay } = this.#options;
    const nextFirst = first.mul(beta1).add(gradient.mul(1 - beta1));
    const nextSecond = second.mul(beta2).add(gradient.square().mul(1 - beta2));
    const root = nextSecond.div(1 - beta2 ** this.#steps).sqrt().add(epsilon);
    const kept = variable.rank >= 2 ? variable.mul(1 - learningRate * weightDecay) : variable;
    const next = kept.sub(nextFirst.mul(learningRate / (1 - beta1 ** this.#steps)).div(root));
    return [next, nextFirst, nextSecond];
  }

  /**
   * Copies the state to the host, to the bit.
   *
   * @returns number of updates and moments
   */
  async state(): Promise<AdamWState> {
    const moments: Float32Array[] = [];
    for (const moment of [...this.#first, ...this.#second]) moments.push((await readFloat32(moment)).slice());
    return { steps: this.#steps, moments };
  }

  /**
   * Goes on from a saved state.
   *
   * @param state of an optimizer over variables of the same shapes
   */
  restore({ steps, moments }: AdamWState): void {
    this.#steps = steps;
    [...this.#first, ...this.#second].forEach((moment, index) =>
      tf.tidy(() => moment.assign(tf.tensor(moments[index], moment.shape)))
    );
  }

  /** Frees the moments. */
  dispose(): void {
    disposeAll([...this.#first, ...this.#second]);
  }
}

/**
 * The factor that brings the global norm of gradients down to a bound (Pascanu et al. 2013).
 *
 * @param gradients gradients of all variables
 * @param maxNorm the bound
 * @returns a scalar in (0, 1]
 */
export function clipFactor(gradients: readonly tf.Tensor[], maxNorm: number): tf.Scalar {
  return tf.tidy(() => tf.minimum(1, tf.div(maxNorm, globalNorm(gradients).add(1e-6))) as tf.Scalar);
}

/**
 * Linear warm-up, then cosine decay to a floor.
 *
 * @param step steps made so far
 * @param steps steps in all
 * @param warmup share of the steps that warm up, in (0, 1)
 * @param floor share of the peak that remains at the end
 * @returns the factor on the peak learning rate
 */
export function warmupCosine(step: number, steps: number, warmup: number, floor: number): number {
  const warm = Math.max(1, Math.round(warmup * steps));
  if (step < warm) return (step + 1) / warm;
  const progress = Math.min(1, (step - warm) / Math.max(1, steps - warm));
  return floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
}
