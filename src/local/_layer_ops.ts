import { tf } from "../tensor/mod.ts";

/**
 * Called where a layer's parameters meet its input: sees the input, may change the output (a zero tap). For a
 * dense or embedding layer the input is [rows, inputs], for a scale layer the normalised rows [rows,
 * outputs].
 */
export type LayerHook = (layer: string, input: tf.Tensor2D, output: tf.Tensor2D) => tf.Tensor2D;

/** A layer's parameters on the backend, and who looks on. */
export interface LayerContext {
  /** Reads a parameter by name. */
  readonly parameter: (name: string) => tf.Tensor;
  /** Sees every layer. */
  readonly hook: LayerHook;
}

/** Looks at nothing. */
export function noHook(_layer: string, _input: tf.Tensor2D, output: tf.Tensor2D): tf.Tensor2D {
  return output;
}

/** Keeps the variance of a constant row away from zero. */
const NORM_EPSILON = 1e-5;

/** x W + b. */
export function dense(
  { parameter, hook }: LayerContext,
  name: string,
  x: tf.Tensor2D,
  bias: boolean,
): tf.Tensor2D {
  const product = tf.matMul(x, parameter(`${name}.weight`) as tf.Tensor2D) as tf.Tensor2D;
  return hook(name, x, bias ? tf.add(product, parameter(`${name}.bias`)) : product);
}

/**
 * The rows of a small table that one-hot rows point at: exact on every backend, and its gradient is a
 * product.
 */
export function embedding({ parameter, hook }: LayerContext, name: string, oneHot: tf.Tensor2D): tf.Tensor2D {
  return hook(name, oneHot, tf.matMul(oneHot, parameter(`${name}.table`) as tf.Tensor2D));
}

/** Normalisation of every row (Ba et al. 2016) with gain and shift: nothing mixes records. */
export function layerNorm({ parameter, hook }: LayerContext, name: string, x: tf.Tensor2D): tf.Tensor2D {
  const rows = normalised(x);
  const scaled = tf.add(tf.mul(rows, parameter(`${name}.scale`)), parameter(`${name}.shift`)) as tf.Tensor2D;
  return hook(name, rows, scaled);
}

/** Normalisation of every row without gain and shift. */
export function normalised(rows: tf.Tensor2D): tf.Tensor2D {
  const centred = tf.sub(rows, tf.mean(rows, 1, true));
  const variance = tf.mean(tf.square(centred), 1, true);
  return tf.mul(centred, tf.rsqrt(tf.add(variance, NORM_EPSILON)));
}

/** The sigmoid form of GELU (Hendrycks and Gimpel 2016, section 2). */
export function gelu(x: tf.Tensor2D): tf.Tensor2D {
  return tf.mul(x, tf.sigmoid(tf.mul(x, 1.702)));
}
