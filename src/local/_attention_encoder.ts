import { tf } from "../tensor/mod.ts";
import { dense, embedding, gelu, type LayerContext, layerNorm, normalised } from "./_layer_ops.ts";
import type { EncoderSpec } from "./spec.ts";

/** Vanishes in a softmax and stays finite in float32. */
const MASKED_SCORE = -3e4;

/**
 * An encoder that attends over a record's own patches: projection, positions, pre-norm transformer blocks
 * (Vaswani et al. 2017; Xiong et al. 2020), and a normalisation at the end. Attention is within a record: the
 * batch is a batch axis of every product, so nothing passes between patients, and empty patches are never
 * attended to.
 *
 * @param x patches [B, T * features]
 * @param mask [B, T], 1 where a patch holds something
 * @returns tokens [B, T * dEnc]
 */
export function attend(
  { modality, tokens, views, attention }: EncoderSpec,
  dEnc: number,
  x: tf.Tensor2D,
  mask: tf.Tensor2D,
  context: LayerContext,
): tf.Tensor2D {
  const prefix = `encoder.${modality}`;
  const batch = x.shape[0];
  const { blocks, heads } = attention ?? { blocks: 0, heads: 1 };
  const patches = tf.reshape(x, [-1, views[0].features]) as tf.Tensor2D;
  const positions = embedding(context, `${prefix}.position`, positionRows(batch, tokens));
  let h = tf.add(dense(context, `${prefix}.patch`, patches, true), positions) as tf.Tensor2D;
  const bias = tf.mul(tf.sub(1, mask), MASKED_SCORE).reshape([batch, 1, 1, tokens]) as tf.Tensor4D;
  for (let block = 1; block <= blocks; block++) {
    const inside = `${prefix}.block${block}`;
    const qkv = dense(context, `${inside}.qkv`, layerNorm(context, `${inside}.norm1`, h), true);
    const mixed = selfAttention(qkv, bias, { batch, tokens, heads, width: dEnc });
    h = tf.add(h, dense(context, `${inside}.out`, mixed, true));
    const hidden = dense(context, `${inside}.down`, layerNorm(context, `${inside}.norm2`, h), true);
    h = tf.add(h, dense(context, `${inside}.up`, gelu(hidden), true));
  }
  return tf.reshape(normalised(h), [batch, tokens * dEnc]);
}

/** One-hot rows [B * T, T]: row t of every record points at position t. */
function positionRows(batch: number, tokens: number): tf.Tensor2D {
  return tf.tile(tf.eye(tokens), [batch, 1]);
}

interface AttentionShape {
  readonly batch: number;
  readonly tokens: number;
  readonly heads: number;
  readonly width: number;
}

/** Scaled dot-product attention within each record; `qkv` [B * T, 3 * width], result [B * T, width]. */
function selfAttention(
  qkv: tf.Tensor2D,
  bias: tf.Tensor4D,
  { batch, tokens, heads, width }: AttentionShape,
): tf.Tensor2D {
  const [q, k, v] = [0, 1, 2].map((part) => {
    const columns = tf.slice(qkv, [0, part * width], [batch * tokens, width]);
    return tf.transpose(tf.reshape(columns, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
  });
  const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(width / heads));
  const mixed = tf.matMul(tf.softmax(tf.add(scores, bias)), v);
  return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch * tokens, width]);
}
