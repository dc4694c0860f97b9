import { hasOwnKernel, runOwnKernel, withGradient } from "./_own_kernels.ts";
import { tf } from "./_tf.ts";

/**
 * The gated unit of Llama's feed-forward network, silu(gate) * up (Shazeer 2020).
 *
 * @param gate `[N, F]`
 * @param up `[N, F]`
 * @returns `[N, F]`
 */
export function swiglu(gate: tf.Tensor2D, up: tf.Tensor2D): tf.Tensor2D {
  if (!hasOwnKernel("FkSwiglu", gate.size % 4 === 0)) {
    return tf.tidy(() => gate.mul(gate.sigmoid()).mul(up) as tf.Tensor2D);
  }
  const unit = withGradient(
    ([g, u]) => ({ value: runOwnKernel("FkSwiglu", { gate: g, up: u })[0], saved: [g, u] }),
    (dy, [g, u]) => runOwnKernel("FkSwigluGrad", { gate: g, up: u, dy }),
  );
  return unit(gate, up) as tf.Tensor2D;
}
