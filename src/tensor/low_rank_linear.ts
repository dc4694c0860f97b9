import { linear, type LinearWeight } from "./frozen_matrix.ts";
import { hasOwnKernel, runOwnKernel, withGradient } from "./_own_kernels.ts";
import { packedAttributes, packedInputs } from "./_packed_call.ts";
import { PackedMatrix } from "./packed_matrix.ts";
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
 * Weight and bias are frozen: they get no gradient. On WASM and WebGPU the update is fused with the base product:
 * scaling, up projection and sum happen in the accumulators of the frozen layer's kernel.
 *
 * @param x `[N, in]`
 * @param weight the frozen weight
 * @param bias `[out]` or undefined
 * @param update the low-rank update
 * @returns `[N, out]`
 */
export function lowRankLinear(
  x: tf.Tensor2D,
  weight: LinearWeight,
  bias: tf.Tensor | undefined,
  update: LowRankUpdate,
): tf.Tensor2D {
  const frozen = fusedWeight(weight);
  if (frozen === undefined) return composed(x, weight, bias, update);
  const { inputs: base, attributes } = frozen;
  const product = withGradient(
    ([input, down, up, scale]) => {
      const operands = { x: input, ...base, down, up, scale, ...(bias === undefined ? {} : { bias }) };
      const [value, low] = runOwnKernel("FkLowRankLinear", operands, attributes);
      return { value, saved: [input, down, up, scale, low, ...Object.values(base)] };
    },
    (dy, [input, down, up, scale, low, ...kept]) => {
      const frozenInputs = Object.fromEntries(Object.keys(base).map((name, i) => [name, kept[i]]));
      return runOwnKernel(
        "FkLowRankLinearGrad",
        { x: input, ...frozenInputs, down, up, scale, low, dy },
        attributes,
      );
    },
  );
  return product(x, update.down, update.up, update.scale) as tf.Tensor2D;
}

/** The frozen weight as kernel inputs, or undefined where the backend has no fused kernel for it. */
function fusedWeight(
  weight: LinearWeight,
): { inputs: Record<string, tf.Tensor>; attributes: Record<string, string | number> } | undefined {
  if (weight instanceof PackedMatrix) {
    return { inputs: packedInputs(weight), attributes: packedAttributes(weight) };
  }
  if (!hasOwnKernel("FkLowRankLinear")) return undefined;
  return { inputs: { weight }, attributes: {} };
}

function composed(
  x: tf.Tensor2D,
  weight: LinearWeight,
  bias: tf.Tensor | undefined,
  update: LowRankUpdate,
): tf.Tensor2D {
  return tf.tidy(() => {
    const low = tf.matMul(x, update.down).mul<tf.Tensor2D>(update.scale);
    return linear(x, weight, bias).add<tf.Tensor2D>(tf.matMul(low, update.up));
  });
}
