import { tf } from "../tensor/mod.ts";
import type { SeededRandom } from "../tensor/seeded_random.ts";

/**
 * Load balancing over the tasks of a run: E sum_e load_e^2 - 1 with load_e the mean weight of expert e, the squared
 * coefficient of variation of Shazeer et al. 2017 (eq. 6). It is 0 when all experts are used alike and E - 1 when
 * one is used alone.
 *
 * @param alphas gate weights of all tasks, `[tasks, E]`
 * @returns a scalar, at least 0
 */
export function loadImbalance(alphas: tf.Tensor2D): tf.Scalar {
  return tf.tidy(() => alphas.mean(0).square().sum().mul(alphas.shape[1]).sub<tf.Scalar>(1));
}

/**
 * Mean entropy of the tasks' gate weights over its largest value, ln E.
 *
 * @param alphas gate weights of all tasks, `[tasks, E]`
 * @returns a scalar in [0, 1]; 0 for a single expert
 */
export function relativeEntropy(alphas: tf.Tensor2D): tf.Scalar {
  const [, experts] = alphas.shape;
  if (experts === 1) return tf.scalar(0);
  // A weight of 0 adds 0; the bound keeps its logarithm finite.
  return tf.tidy(() =>
    alphas.mul(alphas.maximum(1e-30).log()).sum(1).mean().mul<tf.Scalar>(-1 / Math.log(experts))
  );
}

/**
 * Leaves experts out of a step, each with the given probability but never all, and renormalises the others.
 *
 * @param alpha gate weights, `[1, E]`
 * @param probability of leaving an expert out
 * @param random seeded source
 * @returns `[1, E]`, sums to 1
 */
export function dropExperts(alpha: tf.Tensor2D, probability: number, random: SeededRandom): tf.Tensor2D {
  const [, experts] = alpha.shape;
  const kept = Array.from({ length: experts }, () => random.next() >= probability ? 1 : 0);
  if (!kept.includes(1)) kept[random.integer(experts)] = 1;
  return tf.tidy(() => {
    const left = alpha.mul<tf.Tensor2D>(tf.tensor2d([kept]));
    return left.div<tf.Tensor2D>(left.sum(1, true));
  });
}
