import { headSizes, keyHeads, queryHeads, queryRows } from "./_attention_heads.ts";
import { hasOwnKernel, runOwnKernel, withGradient } from "./_own_kernels.ts";
import { tf } from "./_tf.ts";
import { tiledAttention } from "./_tiled_attention.ts";

/** The layout of one attention call. */
export interface AttentionLayout {
  /** Batch entries B. */
  readonly batch: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; divides `heads` (grouped-query attention, Ainslie et al. 2023). */
  readonly kvHeads: number;
  /** `[B, Tk]`, 1 for keys that may be seen and 0 for padding; absent when there is no padding. */
  readonly keyMask?: tf.Tensor2D;
}

/** Large enough to vanish in a softmax, small enough to stay finite in float32 and float16. */
export const MASKED_SCORE: number = -3e4;

/**
 * Causal scaled dot-product attention. Queries are the last Tq of Tk positions: query i sees keys 0 to
 * Tk - Tq + i, so that the same call serves full sequences, the last position alone and a KV cache.
 *
 * @param q `[B*Tq, heads*headDim]`, rotated
 * @param k `[B*Tk, kvHeads*headDim]`, rotated
 * @param v `[B*Tk, kvHeads*headDim]`
 * @param layout batch, heads and padding
 * @returns `[B*Tq, heads*headDim]`
 */
export function causalAttention(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  layout: AttentionLayout,
): tf.Tensor2D {
  if (hasOwnKernel("FkAttention") && suitsRows(q, k, layout)) return fused(q, k, v, layout);
  return hasOwnKernel("FkAttentionSoftmax") ? tiledAttention(q, k, v, layout) : composed(q, k, v, layout);
}

/** Most queries that do without tiles, one workgroup for each: generation, and a top layer's last position. */
const FEW_QUERIES = 4;

/** On WebGPU, whether one workgroup for each query of each head is quick, and ends before adapters stop it. */
function suitsRows(q: tf.Tensor2D, k: tf.Tensor2D, { batch, heads }: AttentionLayout): boolean {
  if (tf.getBackend() !== "webgpu") return true;
  const keys = k.shape[0] / batch;
  const loops = Math.ceil(keys / 64) * (q.shape[1] / heads + 3);
  return q.shape[0] / batch <= FEW_QUERIES && Math.max(loops, keys) < 60_000;
}

function fused(q: tf.Tensor2D, k: tf.Tensor2D, v: tf.Tensor2D, layout: AttentionLayout): tf.Tensor2D {
  const { batch, heads, kvHeads, keyMask } = layout;
  const sizes = { batch, heads, kvHeads };
  const mask: Record<string, tf.Tensor> = keyMask === undefined ? {} : { keyMask };
  const attend = withGradient(
    ([queries, keys, values]) => {
      const inputs = { q: queries, k: keys, v: values, ...mask };
      const [value, probabilities] = runOwnKernel("FkAttention", inputs, sizes);
      return { value, saved: [queries, keys, values, probabilities] };
    },
    (dy, [queries, keys, values, probabilities]) =>
      runOwnKernel("FkAttentionGrad", { q: queries, k: keys, v: values, probabilities, dy }, sizes),
  );
  return attend(q, k, v) as tf.Tensor2D;
}

function composed(q: tf.Tensor2D, k: tf.Tensor2D, v: tf.Tensor2D, layout: AttentionLayout): tf.Tensor2D {
  return tf.tidy(() => {
    const sizes = headSizes(q, k, layout);
    const { batch, heads, queries, keys, headDim } = sizes;
    const scores = tf.matMul(queryHeads(q, sizes), keyHeads(k, sizes), false, true).mul(
      1 / Math.sqrt(headDim),
    );
    const probabilities = scores.reshape([batch, heads, queries, keys])
      .add(attentionBias(queries, keys, layout)).softmax(3).reshape(scores.shape) as tf.Tensor4D;
    return queryRows(tf.matMul(probabilities, keyHeads(v, sizes)), sizes);
  });
}

/** Additive mask, broadcastable to `[B, heads, Tq, Tk]`. */
function attentionBias(queries: number, keys: number, { batch, keyMask }: AttentionLayout): tf.Tensor {
  const values = new Float32Array(queries * keys);
  for (let i = 0; i < queries; i++) {
    for (let j = keys - queries + i + 1; j < keys; j++) values[i * keys + j] = MASKED_SCORE;
  }
  const causal = tf.tensor(values, [1, 1, queries, keys]);
  if (keyMask === undefined) return causal;
  // Adding the two would only double a value that already vanishes.
  return causal.minimum(tf.sub(1, keyMask).mul(MASKED_SCORE).reshape([batch, 1, 1, keys]));
}
