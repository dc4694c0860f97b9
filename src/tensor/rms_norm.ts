import { hasOwnKernel, runOwnKernel, withGradient } from "./_own_kernels.ts";
import { tf } from "./_tf.ts";

/**
 * Root-mean-square normalisation, y = gamma x / sqrt(mean(x^2) + eps) (Zhang and Sennrich 2019).
 *
 * @param x `[N, C]`
 * @param gamma `[C]`; gets a gradient when it is a variable
 * @param epsilon added to the mean square
 * @returns `[N, C]`
 */
export function rmsNorm(x: tf.Tensor2D, gamma: tf.Tensor, epsilon: number): tf.Tensor2D {
  if (!hasOwnKernel("FkRmsNorm", x.shape[1] % 4 === 0)) return composed(x, gamma, epsilon);
  const trained = gamma instanceof tf.Variable;
  const normalise = withGradient(
    ([input, gain = gamma]) => {
      const [value, inverse] = runOwnKernel("FkRmsNorm", { x: input, gamma: gain }, { epsilon });
      return { value, saved: [input, gain, inverse] };
    },
    (dy, [input, gain, inverse]) => {
      const [dx] = runOwnKernel("FkRmsNormGrad", { x: input, gamma: gain, inverse, dy });
      return trained ? [dx, dy.mul(input.mul(inverse)).sum(0)] : [dx];
    },
  );
  return (trained ? normalise(x, gamma) : normalise(x)) as tf.Tensor2D;
}

function composed(x: tf.Tensor2D, gamma: tf.Tensor, epsilon: number): tf.Tensor2D {
  return tf.tidy(() => {
    const inverse = x.square().mean(1, true).add(epsilon).rsqrt();
    return x.mul(inverse).mul(gamma) as tf.Tensor2D;
  });
}
