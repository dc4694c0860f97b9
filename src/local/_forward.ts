import { tf } from "../tensor/mod.ts";
import { encoderLayers, headLayer, layerParameters } from "./_architecture.ts";
import { attend } from "./_attention_encoder.ts";
import { addAll } from "./_grouped.ts";
import type { Batch, SetModel } from "./_batch.ts";
import { dense, gelu, type LayerContext, normalised } from "./_layer_ops.ts";
import type { EncoderSpec, HeadSpec, LocalModelSpec } from "./spec.ts";
import { type LocalWeights, tensorOf } from "./weights.ts";

/** Uploads the learned parameters of some encoders and heads; the caller owns them (`dispose`). */
export function uploadParameters(
  { dEnc }: LocalModelSpec,
  weights: LocalWeights,
  { encoders, heads }: SetModel,
): Map<string, tf.Tensor> {
  const layers = [
    ...encoders.flatMap((encoder) => encoderLayers(encoder, dEnc)),
    ...heads.map((head) => headLayer(head, dEnc)),
  ];
  return new Map(
    layers.flatMap(layerParameters).map(({ name }) => {
      const { data, shape } = tensorOf(weights, name);
      return [name, tf.tensor(data, [...shape])];
    }),
  );
}

/**
 * An encoder's tokens [B, T * dEnc] from what its stem gives. Tokens of missing modalities are meaningless
 * and must be masked by the caller.
 */
export function encode(
  spec: LocalModelSpec,
  encoder: EncoderSpec,
  batch: Batch,
  context: LayerContext,
): tf.Tensor2D {
  const x = batch.tokens.get(encoder.modality) as tf.Tensor2D;
  if (encoder.attention === undefined) return residual(spec, encoder, x, context);
  return attend(encoder, spec.dEnc, x, batch.mask.get(encoder.modality) as tf.Tensor2D, context);
}

/**
 * The federated upper layer on a frozen stem: a residual two-layer network over all tokens of the modality,
 * then normalisation of each token.
 */
function residual(
  { dEnc }: LocalModelSpec,
  { modality, tokens }: EncoderSpec,
  x: tf.Tensor2D,
  context: LayerContext,
): tf.Tensor2D {
  const hidden = gelu(dense(context, `encoder.${modality}.down`, x, true));
  const sum = tf.add(x, dense(context, `encoder.${modality}.up`, hidden, false));
  return tf.reshape(normalised(tf.reshape(sum, [-1, dEnc])), [-1, tokens * dEnc]);
}

/**
 * Logits of every head: a linear map of the mean over the tokens that a record has of the head's modalities.
 *
 * @returns by task, [B, K]
 */
export function logits(
  spec: LocalModelSpec,
  { encoders, heads }: SetModel,
  batch: Batch,
  context: LayerContext,
): Map<string, tf.Tensor2D> {
  const pools = new Map(encoders.map((encoder) => {
    return [encoder.modality, tokenSum(encoder, spec.dEnc, encode(spec, encoder, batch, context), batch)];
  }));
  return new Map(heads.map((head) => [head.task, headLogits(head, encoders, pools, context)]));
}

/** Sum of a record's tokens of one modality [B, dEnc], and how many there are [B, 1]. */
interface TokenSum {
  readonly sum: tf.Tensor2D;
  readonly count: tf.Tensor2D;
}

function tokenSum(
  { modality, tokens }: EncoderSpec,
  dEnc: number,
  encoded: tf.Tensor2D,
  batch: Batch,
): TokenSum {
  const rows = tf.reshape(encoded, [-1, tokens, dEnc]);
  const mask = batch.mask.get(modality);
  if (mask !== undefined) {
    const there = tf.mul(rows, tf.reshape(mask, [-1, tokens, 1]));
    return { sum: tf.sum(there, 1), count: tf.sum(mask, 1, true) };
  }
  const present = batch.present.get(modality) as tf.Tensor2D;
  return { sum: tf.mul(tf.sum(rows, 1), present), count: tf.mul(present, tokens) };
}

function headLogits(
  { task, modalities }: HeadSpec,
  encoders: readonly EncoderSpec[],
  pools: ReadonlyMap<string, TokenSum>,
  context: LayerContext,
): tf.Tensor2D {
  const read = encoders.filter(({ modality }) => modalities.includes(modality))
    .map(({ modality }) => pools.get(modality) as TokenSum);
  const total = addAll(read.map(({ sum }) => sum));
  const count = addAll(read.map(({ count }) => count));
  return dense(context, `head.${task}`, tf.div(total, tf.maximum(count, 1)), true);
}

/** Sum over records of each head's loss: a sum, never a mean, so that every record's gradient is its own. */
export function summedLoss(
  heads: readonly HeadSpec[],
  outputs: ReadonlyMap<string, tf.Tensor2D>,
  batch: Batch,
): tf.Scalar {
  const losses = heads.map(({ task, type }) => {
    const known = batch.known.get(task) as tf.Tensor2D;
    const z = outputs.get(task) as tf.Tensor2D;
    return tf.sum(tf.mul(elementLoss(type, z, batch.targets.get(task) as tf.Tensor2D), known)) as tf.Scalar;
  });
  return addAll(losses);
}

/** Loss per output: cross-entropy, or half the squared error of a standardised target. */
function elementLoss(type: HeadSpec["type"], z: tf.Tensor2D, y: tf.Tensor2D): tf.Tensor {
  switch (type) {
    case "binary":
    case "multilabel":
      // -log sigmoid of the signed logit, in the form that never overflows.
      return tf.sub(tf.softplus(z), tf.mul(z, y));
    case "multiclass":
    case "open":
      return tf.neg(tf.mul(tf.logSoftmax(z), y));
    case "regression":
      return tf.mul(tf.square(tf.sub(z, y)), 0.5);
  }
}
