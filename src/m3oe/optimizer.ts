import { AdamW, clipFactor, tf } from "../tensor/mod.ts";

/** One trained tensor and how it is trained. */
export interface TrainedTensor {
  /** Stable name. */
  readonly name: string;
  /** The tensor. */
  readonly variable: tf.Variable;
  /** Learning rate over the run's learning rate. */
  readonly rate: number;
}

/** Moments on the host, by name of the trained tensor. */
export interface OptimizerState {
  /** Updates made. */
  readonly steps: number;
  /** First moments. */
  readonly first: ReadonlyMap<string, Float32Array>;
  /** Second moments. */
  readonly second: ReadonlyMap<string, Float32Array>;
}

/** Tensors with one learning rate. */
interface Group {
  readonly tensors: readonly TrainedTensor[];
  readonly rate: number;
  readonly adamw: AdamW;
}

/** AdamW over named tensors with learning rates of their own, clipped together; its state is kept by name. */
export class InjectionOptimizer {
  readonly #groups: readonly Group[];

  /**
   * Makes an optimizer with zero moments.
   *
   * @param tensors what is trained; they stay the caller's
   * @param weightDecay decay of tensors of rank 2 and above
   */
  constructor(tensors: readonly TrainedTensor[], weightDecay: number) {
    this.#groups = [...Map.groupBy(tensors, ({ rate }) => rate)].map(([rate, group]) => ({
      tensors: group,
      rate,
      adamw: new AdamW(group.map(({ variable }) => variable), { weightDecay }),
    }));
  }

  /**
   * Makes one update in place, with the gradients clipped to a global norm.
   *
   * @param gradients by name of the tensor; an absent one is zero; they are not disposed
   * @param learningRate step size of this update
   * @param maxGradNorm bound on the global norm
   */
  step(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number, maxGradNorm: number): void {
    tf.tidy(() => {
      const factor = clipFactor([...gradients.values()], maxGradNorm);
      for (const { tensors, rate, adamw } of this.#groups) {
        const ordered = tensors.map(({ name, variable }) => gradients.get(name) ?? tf.zeros(variable.shape));
        adamw.step(ordered, learningRate * rate, factor);
      }
    });
  }

  /**
   * Copies the state to the host.
   *
   * @returns moments by name
   */
  async state(): Promise<OptimizerState> {
    const first = new Map<string, Float32Array>();
    const second = new Map<string, Float32Array>();
    let made = 0;
    for (const { tensors, adamw } of this.#groups) {
      const { steps, moments } = await adamw.state();
      made = steps;
      tensors.forEach(({ name }, index) => {
        first.set(name, moments[index]);
        second.set(name, moments[tensors.length + index]);
      });
    }
    return { steps: made, first, second };
  }

  /**
   * Goes on from a state.
   *
   * @param state of an optimizer over tensors of the same names and shapes
   */
  restore({ steps, first, second }: OptimizerState): void {
    for (const { tensors, adamw } of this.#groups) {
      const ordered = (moments: ReadonlyMap<string, Float32Array>): Float32Array[] =>
        tensors.map(({ name }) => moments.get(name) as Float32Array);
      adamw.restore({ steps, moments: [...ordered(first), ...ordered(second)] });
    }
  }

  /** Frees the moments. */
  dispose(): void {
    for (const { adamw } of this.#groups) adamw.dispose();
  }
}
