import { tf } from "../tensor/mod.ts";
import { type SetModel, uploadBatch } from "./_batch.ts";
import type { SetRows } from "./features.ts";
import { logits, summedLoss } from "./_forward.ts";
import type { PlacedLayer } from "./_layers.ts";
import type { LocalModelSpec } from "./spec.ts";

/** What one layer contributes to a batch's gradient: the weight's gradient is inputs^T deltas. */
export interface Factors {
  /** [B * rows, inputs] */
  readonly input: tf.Tensor2D;
  /** Loss gradient at the layer's output, [B * rows, outputs]. */
  readonly delta: tf.Tensor2D;
}

/**
 * One forward and one backward pass: every layer's input and the loss gradient at its output, by taps of
 * zeros added to the outputs. No parameter's own gradient is computed. Call inside `tf.tidy`.
 *
 * @param rows records of the batch, filled up to `size`
 * @returns in the order of `layers`
 */
export function tappedBackward(
  spec: LocalModelSpec,
  set: SetRows,
  model: SetModel,
  layers: readonly PlacedLayer[],
  rows: readonly number[],
  size: number,
  parameters: ReadonlyMap<string, tf.Tensor>,
): Factors[] {
  const batch = uploadBatch(spec, set, model, rows, size);
  const inputs = new Map<string, tf.Tensor2D>();
  const indexOf = new Map(layers.map((layer, index) => [layer.name, index]));
  const loss = (...taps: tf.Tensor[]): tf.Scalar => {
    const hook = (layer: string, input: tf.Tensor2D, output: tf.Tensor2D): tf.Tensor2D => {
      const index = indexOf.get(layer);
      if (index === undefined) return output;
      // The gradient's own scope frees what is not kept.
      inputs.set(layer, tf.keep(input.clone()));
      return tf.add(output, taps[index]);
    };
    const parameter = (name: string): tf.Tensor => parameters.get(name) as tf.Tensor;
    return summedLoss(model.heads, logits(spec, model, batch, { parameter, hook }), batch);
  };
  const taps = layers.map(({ rows, outputs }) => tf.zeros([size * rows, outputs]));
  const deltas = tf.grads(loss)(taps) as tf.Tensor2D[];
  return layers.map(({ name }, index) => {
    const kept = inputs.get(name) as tf.Tensor2D;
    // A second handle on the same memory, which the caller's scope frees.
    const input = kept.clone();
    kept.dispose();
    return { input, delta: deltas[index] };
  });
}
