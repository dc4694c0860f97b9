import { tf } from "../tensor/mod.ts";
import { addAll } from "./_grouped.ts";
import type { PlacedLayer } from "./_layers.ts";
import type { Factors } from "./_taps.ts";

/**
 * A layer's share of a batch's clipped sum, computed from its factors without any unit's gradient in full.
 */
export interface LayerShare {
  /** Squared norm of every unit's summed gradient of this layer, rounded up, [S]. */
  readonly squared: tf.Tensor1D;
  /** Sum over units of w[unit] times the unit's gradient, flat, in the order of the layer's ranges. */
  weighted(w: tf.Tensor2D): tf.Tensor1D[];
}

/** Unit roundoff of float32. */
const ROUNDOFF = 2 ** -24;
/** Standard deviations of accumulated roundoff that are allowed for. */
const CONFIDENCE = 6;

/** What a term of a sum of products may lose where it, or the sum so far, is below float32's normal range. */
const LOST = 2 ** -125;

/** How far a sum of products over these extents may be off, relative to the product of the rows' lengths. */
function roundingBound(inputs: number, outputs: number, rows: number): number {
  return CONFIDENCE * ROUNDOFF * (Math.sqrt(inputs) + Math.sqrt(outputs) + 2 * Math.sqrt(rows) + 4);
}

/**
 * Norms of units' summed gradients and their weighted sum, for slots of R rows.
 *
 * A unit's gradient of x W is sum_r a_r d_r^T, so its squared norm is sum_{r,s} <a_r,a_s><d_r,d_s>: two Gram
 * matrices of R x R ("ghost norm": Goodfellow 2015 for one row, Li et al. 2022 section 4 for sequences; here
 * r and s run over all tokens of all records of the unit). Where a unit's gradient is smaller than its Gram
 * matrices it is formed instead (Bu et al. 2022, "mixed ghost clipping"). The weighted sum is one product of
 * inputs and weighted deltas (Bu et al. 2023, "book-keeping"): there is no second backward pass.
 *
 * Float32 products of rows that nearly cancel could come out too small, so a bound on their error is added
 * (Higham and Mary 2019, theorem 2.4: roundoff grows with the square root of the number of terms, here at six
 * deviations): a norm is rounded up, and what may be left is far inside the float slack of a plan. Squares of small
 * numbers leave float32's range although their products with large ones do not, so what may be lost there is added too;
 * what leaves the range at the other end is not finite and drops the unit.
 */
export function layerShare(layer: PlacedLayer, factors: Factors, slots: number): LayerShare {
  return layer.kind === "scale" ? scaleShare(layer, factors, slots) : denseShare(layer, factors, slots);
}

/** Gram matrices cost less than the gradient itself; one matrix element is worth about this many products. */
const ELEMENT_COST = 12;

/** Whether to compute Gram matrices (true) or the units' gradients of a dense layer. */
export function prefersGram(rows: number, inputs: number, outputs: number): boolean {
  return rows * rows * (inputs + outputs + ELEMENT_COST) < ELEMENT_COST * inputs * outputs;
}

function denseShare(layer: PlacedLayer, { input, delta }: Factors, slots: number): LayerShare {
  const { inputs, outputs, weightOffset, biasOffset } = layer;
  const a = tf.reshape(input, [slots, -1, inputs]) as tf.Tensor3D;
  const d = tf.reshape(delta, [slots, -1, outputs]) as tf.Tensor3D;
  const rows = a.shape[1];
  const bias = biasOffset === undefined ? undefined : vectorShare(tf.sum(d, 1) as tf.Tensor2D);
  if (weightOffset === undefined) return bias ?? nothing(slots);
  const lengths = { a: rowLengths(a), d: rowLengths(d) };
  const reach = tf.sum(tf.mul(lengths.a, lengths.d), 1);
  const error = roundingBound(inputs, outputs, rows);
  const upper = (squared: tf.Tensor): tf.Tensor1D =>
    tf.add(squared, tf.mul(tf.square(reach), error)) as tf.Tensor1D;
  const join = (squared: tf.Tensor1D, weight: (w: tf.Tensor2D) => tf.Tensor1D): LayerShare => ({
    squared: bias === undefined ? squared : tf.add(squared, bias.squared),
    weighted: (w) => [weight(w), ...(bias?.weighted(w) ?? [])],
  });
  const product = (w: tf.Tensor2D): tf.Tensor1D => {
    const weighted = tf.reshape(tf.mul(d, tf.reshape(w, [slots, 1, 1])), [-1, outputs]) as tf.Tensor2D;
    return tf.reshape(tf.matMul(input, weighted, true, false), [-1]);
  };
  if (rows === 1) return join(upper(tf.square(reach)), product);
  if (prefersGram(rows, inputs, outputs)) {
    const grams = tf.mul(tf.matMul(a, a, false, true), tf.matMul(d, d, false, true));
    return join(tf.add(upper(tf.sum(tf.sum(grams, 2), 1)), lostInGrams(lengths, inputs, outputs)), product);
  }
  const gradients = tf.reshape(tf.matMul(a, d, true, false), [slots, inputs * outputs]) as tf.Tensor2D;
  const squares = tf.sum(tf.reshape(tf.square(gradients), [slots, inputs, outputs]), 2);
  return join(upper(tf.sum(squares, 1)), (w) => rowCombination(w, gradients));
}

function scaleShare(layer: PlacedLayer, { input, delta }: Factors, slots: number): LayerShare {
  const { outputs, weightOffset, biasOffset } = layer;
  const sumOf = (rows: tf.Tensor2D): tf.Tensor2D => tf.sum(tf.reshape(rows, [slots, -1, outputs]), 1);
  const parts = [
    ...(weightOffset === undefined ? [] : [vectorShare(sumOf(tf.mul(input, delta)))]),
    ...(biasOffset === undefined ? [] : [vectorShare(sumOf(delta))]),
  ];
  return {
    squared: addAll(parts.map(({ squared }) => squared)),
    weighted: (w) => parts.flatMap((part) => part.weighted(w)),
  };
}

/** A part whose units' gradients are at hand, [S, n]. */
function vectorShare(gradients: tf.Tensor2D): LayerShare {
  return { squared: tf.sum(tf.square(gradients), 1), weighted: (w) => [rowCombination(w, gradients)] };
}

function nothing(slots: number): LayerShare {
  return { squared: tf.zeros([slots]), weighted: () => [] };
}

/** w^T gradients, flat. */
function rowCombination(w: tf.Tensor2D, gradients: tf.Tensor2D): tf.Tensor1D {
  return tf.reshape(tf.matMul(w, gradients, true, false), [-1]);
}

/** Length of every row, [S, R]; rounded up where squares are too small for float32. */
function rowLengths(rows: tf.Tensor3D): tf.Tensor2D {
  return tf.sqrt(tf.add(tf.sum(tf.square(rows), 2), rows.shape[2] * LOST));
}

/** What <a_r,a_s> loses counts |d_r||d_s| times, and the other way round, summed over r and s: [S]. */
function lostInGrams(
  { a, d }: { readonly a: tf.Tensor2D; readonly d: tf.Tensor2D },
  inputs: number,
  outputs: number,
): tf.Tensor1D {
  const lost = (lengths: tf.Tensor2D, terms: number): tf.Tensor =>
    tf.square(tf.mul(tf.sum(lengths, 1), Math.sqrt(terms * LOST)));
  return tf.add(lost(d, inputs), lost(a, outputs));
}
