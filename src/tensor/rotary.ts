import { hasOwnKernel, runOwnKernel, withGradient } from "./_own_kernels.ts";
import { tf } from "./_tf.ts";

/** Cosine and sine tables of rotary positions, `[P, headDim / 2]` each; row p belongs to token p of the layout. */
export interface RotaryTable {
  /** Cosines. */
  readonly cos: tf.Tensor2D;
  /** Sines. */
  readonly sin: tf.Tensor2D;
}

/**
 * Rotary position embedding (Su et al. 2021) in the half-split layout of Hugging Face checkpoints: within a head,
 * element i is rotated together with element i + headDim/2.
 *
 * @param x `[B*T, heads*headDim]`
 * @param table rows for T positions, shared by the batch, or for all B*T tokens
 * @param heads number of heads in `x`
 * @returns the same shape
 */
export function rotary(x: tf.Tensor2D, table: RotaryTable, heads: number): tf.Tensor2D {
  if (!hasOwnKernel("FkRotary", table.cos.shape[1] % 4 === 0)) return composed(x, table, heads);
  const turn = (input: tf.Tensor, cos: tf.Tensor, sin: tf.Tensor, sign: 1 | -1): tf.Tensor =>
    runOwnKernel("FkRotary", { x: input, cos, sin }, { heads, sign })[0];
  // A rotation's transpose is its inverse: the gradient turns back.
  const rotate = withGradient(
    ([input]) => ({ value: turn(input, table.cos, table.sin, 1), saved: [table.cos, table.sin] }),
    (dy, [cos, sin]) => [turn(dy, cos, sin, -1)],
  );
  return rotate(x) as tf.Tensor2D;
}

function composed(x: tf.Tensor2D, table: RotaryTable, heads: number): tf.Tensor2D {
  return tf.tidy(() => {
    const [tokens, width] = x.shape;
    const [positions, half] = table.cos.shape;
    const shape = [tokens / positions, positions, 1, half];
    const halves = x.reshape([tokens / positions, positions, heads, width / heads]);
    const first = halves.slice([0, 0, 0, 0], [-1, -1, -1, half]);
    const second = halves.slice([0, 0, 0, half], [-1, -1, -1, half]);
    const cos = table.cos.reshape([1, ...shape.slice(1)]);
    const sin = table.sin.reshape([1, ...shape.slice(1)]);
    const rotated = [first.mul(cos).sub(second.mul(sin)), second.mul(cos).add(first.mul(sin))];
    return tf.concat(rotated, 3).reshape([tokens, width]) as tf.Tensor2D;
  });
}
