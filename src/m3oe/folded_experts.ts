import type { Linear, LinearAdapter, LinearName } from "../foundation/mod.ts";
import { PackedMatrix, tf } from "../tensor/mod.ts";
import type { ExpertLookup, ExpertPair } from "./experts.ts";

/**
 * The M3OE layer for a batch whose samples share one gate vector, as in training, where a batch has one task. The
 * experts are folded into the weight once for all tokens, W' = W + A_cat diag(scale) B_cat, so that forward pass
 * and gradient in x cost what the frozen layer costs; only the gradients of the experts go through the low rank:
 * with u = dy B_cat^T and C = x^T u, dA_cat = C diag(scale), dB_cat = diag(scale) (x A_cat)^T dy and dscale is the
 * column sum of A_cat * C. It pays where a batch has more tokens than the fold costs, see {@link foldingPays};
 * other layers are left to `otherwise`.
 *
 * @param lookup the experts
 * @param scale `[1, E*r]`
 * @param otherwise computes the layers for which folding does not pay
 * @returns an adapter for the decoder
 */
export function foldedAdapter(
  lookup: ExpertLookup,
  scale: tf.Tensor2D,
  otherwise: LinearAdapter,
): LinearAdapter {
  return {
    project(layer: number, name: LinearName, x: tf.Tensor2D, base: Linear): tf.Tensor2D | undefined {
      const pair = lookup(layer, name);
      if (pair === undefined) return undefined;
      const { weight, bias } = base;
      return !(weight instanceof PackedMatrix) && foldingPays(x.shape[0], weight.shape)
        ? foldedLinear(x, { weight, bias }, pair, scale)
        : otherwise.project(layer, name, x, base);
    },
  };
}

/**
 * Folding costs in * out multiplications per rank, the low-rank form (in + out) per rank and token. Measured on
 * wasm, folding wins from about twice the break-even of the multiplications on.
 *
 * @param rows tokens of the batch
 * @param shape `[in, out]` of the layer
 * @returns whether folding is cheaper
 */
export function foldingPays(rows: number, [input, output]: readonly [number, number]): boolean {
  return rows * (input + output) > 2 * input * output;
}

/**
 * y = x (W + down diag(scale) up) + bias, with the gradients of the low-rank form. W and bias are frozen.
 *
 * @param x `[N, in]`
 * @param base the frozen weight `[in, out]` and bias
 * @param pair the experts
 * @param scale `[1, R]`
 * @returns `[N, out]`
 */
export function foldedLinear(
  x: tf.Tensor2D,
  { weight, bias }: { readonly weight: tf.Tensor2D; readonly bias?: tf.Tensor | undefined },
  { down, up }: ExpertPair,
  scale: tf.Tensor2D,
): tf.Tensor2D {
  const product = tf.customGrad((...args: unknown[]) => {
    const save = args[4] as tf.GradSaveFunc;
    const [input, a, b, s] = args as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    const folded = weight.add<tf.Tensor2D>(tf.matMul(a.mul<tf.Tensor2D>(s), b));
    save([input, a, b, s, folded]);
    return {
      value: tf.matMul(input, folded),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => foldedGradients(dy as tf.Tensor2D, saved),
    };
  });
  const y = product(x, down, up, scale) as tf.Tensor2D;
  return bias === undefined ? y : y.add<tf.Tensor2D>(bias);
}

function foldedGradients(dy: tf.Tensor2D, saved: readonly tf.Tensor[]): tf.Tensor[] {
  const [x, down, up, scale, folded] = saved as tf.Tensor2D[];
  const dx = tf.matMul(dy, folded, false, true);
  const low = tf.matMul(x, down);
  const correlation = tf.matMul(x, tf.matMul(dy, up, false, true), true, false);
  const dDown = correlation.mul(scale);
  const dUp = tf.matMul(low, dy, true, false).mul(scale.reshape([-1, 1]));
  const dScale = down.mul(correlation).sum(0, true);
  return [dx, dDown, dUp, dScale];
}
