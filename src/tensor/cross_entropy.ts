import { hasOwnKernel, runOwnKernel, withGradient } from "./_own_kernels.ts";
import { tf } from "./_tf.ts";

/**
 * Mean cross-entropy of rows of logits, -log softmax(logits)[label].
 *
 * @param logits `[N, V]`
 * @param labels N column indices, int32
 * @returns a scalar, in nats
 */
export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  if (!hasOwnKernel("FkCrossEntropy", logits.shape[1] % 4 === 0)) return composed(logits, labels);
  const loss = withGradient(
    ([rows]) => {
      const [value, probabilities] = runOwnKernel("FkCrossEntropy", { logits: rows, labels });
      return { value, saved: [probabilities, labels] };
    },
    (dy, [probabilities, kept]) => runOwnKernel("FkCrossEntropyGrad", { probabilities, labels: kept, dy }),
  );
  return loss(logits) as tf.Scalar;
}

function composed(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  return tf.tidy(() => {
    const targets = tf.oneHot(labels, logits.shape[1]);
    return tf.logSoftmax(logits).mul(targets).sum().mul<tf.Scalar>(-1 / logits.shape[0]);
  });
}
