import { hasOwnKernels, runOwnKernel, withGradient } from "./_own_kernels.ts";
import { tf } from "./_tf.ts";

/** The trainable low-rank update beside one frozen linear layer: E experts of rank r side by side. */
export interface LowRankUpdate {
  /** Down projection, experts concatenated: `[in, E*r]`. */
  readonly down: tf.Tensor2D;
  /** Up projection, experts concatenated: `[E*r, out]`. */
  readonly up: tf.Tensor2D;
  /** Weight of every rank-one term, gate and scaling included: `[1, E*r]`, or one row per token `[N, E*r]`. */
  readonly scale: tf.Tensor2D;
}

/**
 * y = x W + bias + ((x down) * scale) up: a frozen linear layer with low-rank experts (Hu et al. 2021 for one).
 * Weight and bias are frozen: they get no gradient.
 *
 * @param x `[N, in]`
 * @param weight `[in, out]`
 * @param bias `[out]` or undefined
 * @param update the low-rank update
 * @returns `[N, out]`
 */
export function lowRankLinear(
  x: tf.Tensor2D,
  weight: tf.Tensor2D,
  bias: tf.Tensor | undefined,
  update: LowRankUpdate,
): tf.Tensor2D {
  if (!hasOwnKernels()) return composed(x, weight, bias, update);
  const linear = withGradient(
    ([input, down, up, scale]) => {
      const inputs = { x: input, weight, down, up, scale };
      const [value, low] = runOwnKernel("FkLowRankLinear", bias === undefined ? inputs : { ...inputs, bias });
      return { value, saved: [input, down, up, scale, low, weight] };
    },
    (dy, [input, down, up, scale, low, frozen]) =>
      runOwnKernel("FkLowRankLinearGrad", { x: input, weight: frozen, down, up, scale, low, dy }),
  );
  return linear(x, update.down, update.up, update.scale) as tf.Tensor2D;
}

function composed(
  x: tf.Tensor2D,
  weight: tf.Tensor2D,
  bias: tf.Tensor | undefined,
  update: LowRankUpdate,
): tf.Tensor2D {
  return tf.tidy(() => {
    const low = tf.matMul(x, update.down).mul<tf.Tensor2D>(update.scale);
    const sum = tf.matMul(x, weight).add<tf.Tensor2D>(tf.matMul(low, update.up));
    return bias === undefined ? sum : sum.add<tf.Tensor2D>(bias);
  });
}
