import type { Linear, LinearAdapter, LinearName } from "../foundation/mod.ts";
import { linear, tf } from "../tensor/mod.ts";
import type { SeededRandom } from "../tensor/seeded_random.ts";
import type { ExpertLookup } from "./experts.ts";

/**
 * The M3OE layer with LoRA's dropout on the experts' input: y = W x + ((dropout(x) A_cat) * scale) B_cat. All
 * experts of a layer see the same dropped input, as in the released code.
 *
 * @param lookup the experts
 * @param scale `[1, E*r]`
 * @param probability of zeroing an input, in (0, 1)
 * @param random seeded source
 * @returns an adapter for the decoder, for training only
 */
export function dropoutAdapter(
  lookup: ExpertLookup,
  scale: tf.Tensor2D,
  probability: number,
  random: SeededRandom,
): LinearAdapter {
  return {
    project(layer: number, name: LinearName, x: tf.Tensor2D, base: Linear): tf.Tensor2D | undefined {
      const pair = lookup(layer, name);
      if (pair === undefined) return undefined;
      const dropped = x.mul<tf.Tensor2D>(dropoutMask(x.shape, probability, random));
      const low = tf.matMul(dropped, pair.down).mul<tf.Tensor2D>(scale);
      return linear(x, base.weight, base.bias).add<tf.Tensor2D>(tf.matMul(low, pair.up));
    },
  };
}

/**
 * A mask of inverted dropout: 0 with the given probability, otherwise 1 / (1 - probability), so that the mean is 1.
 *
 * @param shape shape of the mask
 * @param probability of 0, rounded to a multiple of 2^-16
 * @param random seeded source
 * @returns the mask
 */
export function dropoutMask(
  shape: readonly [number, number],
  probability: number,
  random: SeededRandom,
): tf.Tensor2D {
  const threshold = Math.min(65535, Math.round(probability * 65536));
  const kept = 65536 / (65536 - threshold);
  const values = new Float32Array(shape[0] * shape[1]);
  // Sixteen bits decide one value: random numbers are what a mask costs.
  for (let i = 0; i < values.length; i += 2) {
    const bits = random.nextUint32();
    if ((bits & 0xffff) >= threshold) values[i] = kept;
    if ((bits >>> 16) >= threshold && i + 1 < values.length) values[i + 1] = kept;
  }
  return tf.tensor2d(values, [shape[0], shape[1]]);
}
