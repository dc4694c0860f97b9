import { type DecoderWeights, type Linear, LINEAR_NAMES, type LinearName } from "../foundation/mod.ts";
import { disposeAll, tf } from "../tensor/mod.ts";
import type { ExpertLookup } from "./experts.ts";

/** Weights with experts merged in. */
export interface MergedWeights {
  /** Shares every tensor that has no expert with the base. */
  readonly weights: DecoderWeights;
  /** Frees the merged tensors; the base stays. */
  readonly dispose: () => void;
}

/**
 * Merges experts into the base for one gate vector, W + A_cat diag(scale) B_cat: inference then costs what the
 * base costs. Exact, because the gate reads only the task's texts and so is the same for all its samples.
 *
 * @param weights the frozen base
 * @param lookup the experts
 * @param scale `[1, E*r]`
 * @returns merged weights
 */
export function mergeExperts(
  weights: DecoderWeights,
  lookup: ExpertLookup,
  scale: tf.Tensor2D,
): MergedWeights {
  const made: tf.Tensor[] = [];
  const layers = weights.layers.map((layer, index) => {
    const linear = (name: LinearName): Linear => {
      const base = layer.linears[name];
      const pair = lookup(index, name);
      if (pair === undefined) return base;
      const weight = tf.tidy(() =>
        base.weight.add<tf.Tensor2D>(tf.matMul(pair.down.mul<tf.Tensor2D>(scale), pair.up))
      );
      made.push(weight);
      return { ...base, weight };
    };
    const linears = Object.fromEntries(LINEAR_NAMES.map((name) => [name, linear(name)]));
    return { ...layer, linears: linears as Record<LinearName, Linear> };
  });
  return { weights: { ...weights, layers }, dispose: () => disposeAll(made) };
}
