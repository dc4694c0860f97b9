import { headSizes, keyHeads, keyRows, queryHeads, queryRows } from "./_attention_heads.ts";
import type { AttentionLayout } from "./causal_attention.ts";
import { runOwnKernel, withGradient } from "./_own_kernels.ts";
import { tf } from "./_tf.ts";

/**
 * Causal attention by tiled products of transposed heads, with one kernel for scale, mask and softmax. Only the inputs
 * and the probabilities are kept for the backward pass; heads are transposed again there.
 */
export function tiledAttention(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  layout: AttentionLayout,
): tf.Tensor2D {
  const { keyMask } = layout;
  const sizes = headSizes(q, k, layout);
  const attributes = { ...sizes };
  const mask: Record<string, tf.Tensor> = keyMask === undefined ? {} : { keyMask };
  const attend = withGradient(
    ([queries, keys, values]) => {
      const [value, probabilities] = tf.tidy(() => {
        const scores = tf.matMul(queryHeads(queries, sizes), keyHeads(keys, sizes), false, true);
        const [softened] = runOwnKernel("FkAttentionSoftmax", { scores, ...mask }, attributes);
        return [queryRows(tf.matMul(softened, keyHeads(values, sizes)), sizes), softened];
      });
      return { value, saved: [queries, keys, values, probabilities] };
    },
    (dy, [queries, keys, values, probabilities]) =>
      tf.tidy(() => {
        const dContext = queryHeads(dy, sizes);
        const dv = keyRows(tf.matMul(probabilities, dContext, true, false), sizes);
        const dProbabilities = tf.matMul(dContext, keyHeads(values, sizes), false, true);
        const inputs = { probabilities, dProbabilities };
        const [dScores] = runOwnKernel("FkAttentionSoftmaxGrad", inputs, attributes);
        const dq = queryRows(tf.matMul(dScores, keyHeads(keys, sizes)), sizes);
        const dk = keyRows(tf.matMul(dScores, queryHeads(queries, sizes), true, false), sizes);
        return [dq, dk, dv];
      }),
  );
  return attend(q, k, v) as tf.Tensor2D;
}
