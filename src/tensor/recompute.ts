import { withGradient } from "./_own_kernels.ts";
import { tf } from "./_tf.ts";

/** The part of tfjs's engine that a gradient within a gradient must not disturb. */
interface TapeState {
  activeTape: unknown;
}

/**
 * Runs a function without keeping its intermediates for the backward pass, which runs it again (gradient
 * checkpointing, Chen et al. 2016): memory for time. The function must be pure: no random draws, and no tensors but
 * those it is given, constants that live until the backward pass ends excepted.
 *
 * @param f computes from `x` and `tensors`, which are `trained` and then `fixed`
 * @param x its main input, differentiable
 * @param trained further differentiable inputs
 * @param fixed inputs without gradient
 * @returns f's value
 */
export function recomputed(
  f: (x: tf.Tensor2D, tensors: readonly tf.Tensor[]) => tf.Tensor2D,
  x: tf.Tensor2D,
  trained: readonly tf.Tensor[],
  fixed: readonly tf.Tensor[],
): tf.Tensor2D {
  const run = withGradient(
    ([input, ...tensors]) => ({
      value: tf.tidy(() => f(input as tf.Tensor2D, [...tensors, ...fixed])),
      saved: [input, ...tensors, ...fixed],
    }),
    (dy, saved) => {
      const differentiable = saved.slice(0, 1 + trained.length);
      const again = (): tf.Tensor => f(saved[0] as tf.Tensor2D, saved.slice(1));
      return gradientsWithin(again, differentiable, dy);
    },
  );
  return run(x, ...trained) as tf.Tensor2D;
}

/** Gradients inside a backward pass; tfjs forgets the outer tape otherwise. */
function gradientsWithin(f: () => tf.Tensor, xs: readonly tf.Tensor[], dy: tf.Tensor): tf.Tensor[] {
  const state = (tf.engine() as unknown as { state: TapeState }).state;
  const outer = state.activeTape;
  try {
    return tf.tidy(() => {
      const { grads } = tf.engine().gradients(f, [...xs], dy, true);
      return grads.map((gradient, i) => gradient ?? tf.zerosLike(xs[i]));
    });
  } finally {
    state.activeTape = outer;
  }
}
