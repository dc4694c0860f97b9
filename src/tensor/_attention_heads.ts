import type { AttentionLayout } from "./causal_attention.ts";
import { tf } from "./_tf.ts";

/** Sizes of one attention call. */
export interface HeadSizes {
  readonly batch: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly queries: number;
  readonly keys: number;
  readonly headDim: number;
}

/** Sizes from the shapes of queries and keys. */
export function headSizes(
  q: tf.Tensor,
  k: tf.Tensor,
  { batch, heads, kvHeads }: Pick<AttentionLayout, "batch" | "heads" | "kvHeads">,
): HeadSizes {
  const [queries, keys] = [q.shape[0] / batch, k.shape[0] / batch];
  return { batch, heads, kvHeads, queries, keys, headDim: q.shape[1]! / heads };
}

/** Rows of queries as `[B, kvHeads, group * Tq, headDim]`: the query heads that share a key head, one after another. */
export function queryHeads(
  x: tf.Tensor,
  { batch, heads, kvHeads, queries, headDim }: HeadSizes,
): tf.Tensor4D {
  const group = heads / kvHeads;
  return x.reshape([batch, queries, kvHeads, group, headDim]).transpose([0, 2, 3, 1, 4])
    .reshape([batch, kvHeads, group * queries, headDim]);
}

/** The inverse of {@link queryHeads}: `[B*Tq, heads*headDim]`. */
export function queryRows(x: tf.Tensor, { batch, heads, kvHeads, queries, headDim }: HeadSizes): tf.Tensor2D {
  return x.reshape([batch, kvHeads, heads / kvHeads, queries, headDim]).transpose([0, 3, 1, 2, 4])
    .reshape([batch * queries, heads * headDim]);
}

/** Rows of keys or values as `[B, kvHeads, Tk, headDim]`. */
export function keyHeads(x: tf.Tensor, { batch, kvHeads, keys, headDim }: HeadSizes): tf.Tensor4D {
  return x.reshape([batch, keys, kvHeads, headDim]).transpose([0, 2, 1, 3]);
}

/** The inverse of {@link keyHeads}: `[B*Tk, kvHeads*headDim]`. */
export function keyRows(x: tf.Tensor, { batch, kvHeads, keys, headDim }: HeadSizes): tf.Tensor2D {
  return x.transpose([0, 2, 1, 3]).reshape([batch * keys, kvHeads * headDim]);
}
