import { crossEntropy, tf } from "../tensor/mod.ts";

/** Label of a position that does not count, as in Hugging Face training data. */
export const IGNORED_LABEL: number = -100;

/**
 * Cross-entropy averaged over the rows that have a label. Rows without one are left out before the softmax, so
 * that long prompts do not dilute the loss.
 *
 * @param logits `[N, V]`
 * @param labels N token ids, or {@link IGNORED_LABEL}
 * @returns a scalar
 */
export function tokenCrossEntropy(logits: tf.Tensor2D, labels: ArrayLike<number>): tf.Scalar {
  return tf.tidy(() => {
    const rows = Int32Array.from(labels, (_, row) => row).filter((row) => labels[row] !== IGNORED_LABEL);
    if (rows.length === 0) return tf.scalar(0);
    const targets = tf.tensor1d(rows.map((row) => labels[row]), "int32");
    const counted = rows.length === labels.length ? logits : tf.gather(logits, tf.tensor1d(rows, "int32"));
    return crossEntropy(counted, targets);
  });
}
