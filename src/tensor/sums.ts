import { hasOwnKernel, runOwnKernel } from "./_own_kernels.ts";
import { tf } from "./_tf.ts";

/** Row length of the first stage: short enough that naive float32 accumulation stays exact to about 1e-6. */
const ROW = 512;

/**
 * Sum of all elements in stages of short rows. The WASM backend accumulates naively in float32, which is off by
 * 1e-3 at two million elements; norms that bound privacy need better.
 *
 * @param x any float32 tensor
 * @returns a scalar tensor
 */
export function accurateSum(x: tf.Tensor): tf.Scalar {
  return tf.tidy(() => {
    let flat = x.flatten();
    while (flat.size > ROW) {
      const rows = Math.ceil(flat.size / ROW);
      const missing = rows * ROW - flat.size;
      const padded = missing === 0 ? flat : tf.pad1d(flat, [0, missing]);
      flat = padded.reshape([rows, ROW]).sum<tf.Tensor1D>(1);
    }
    return flat.sum<tf.Scalar>();
  });
}

/**
 * Euclidean norm of several tensors taken as one vector (global gradient norm).
 *
 * @param tensors float32 tensors of any shapes
 * @returns a scalar tensor
 */
export function globalNorm(tensors: readonly tf.Tensor[]): tf.Scalar {
  return tf.tidy(() => {
    if (tensors.length === 0) return tf.scalar(0);
    const squares = tensors.map((tensor) =>
      hasOwnKernel("FkSumOfSquares")
        ? runOwnKernel("FkSumOfSquares", { x: tensor })[0]
        : accurateSum(tensor.square())
    );
    return tf.addN(squares).sqrt() as tf.Scalar;
  });
}
