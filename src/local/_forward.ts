import { tf } from "../tensor/mod.ts";
import type { Batch, SetModel } from "./_batch.ts";
import type { EncoderSpec, HeadSpec, LocalModelSpec } from "./spec.ts";
import { type LocalWeights, tensorOf } from "./weights.ts";

/** Keeps the variance of a constant token away from zero. */
const NORM_EPSILON = 1e-5;

/** Reads a parameter as a tensor on the backend. */
export type ParameterTensors = (name: string) => tf.Tensor;

/** Called at every dense layer that has parameters: sees its input, may change its output (a zero tap). */
export type DenseHook = (layer: string, input: tf.Tensor2D, output: tf.Tensor2D) => tf.Tensor2D;

/** Uploads parameters of some encoders and heads; the caller owns them (`dispose`). */
export function uploadParameters(
  weights: LocalWeights,
  { encoders, heads }: SetModel,
): Map<string, tf.Tensor> {
  const names = [
    ...encoders.flatMap(({ modality }) => {
      return ["down.weight", "down.bias", "up.weight"].map((part) => `encoder.${modality}.${part}`);
    }),
    ...heads.flatMap(({ task }) => [`head.${task}.weight`, `head.${task}.bias`]),
  ];
  return new Map(names.map((name) => {
    const { data, shape } = tensorOf(weights, name);
    return [name, tf.tensor(data, [...shape])];
  }));
}

/**
 * The federated upper layer of an encoder: a residual two-layer network over all stem tokens of the modality,
 * then normalisation of each token (Ba et al. 2016, without gain and bias): nothing mixes records.
 *
 * @param x stem tokens [B, T * dEnc]
 * @returns tokens [B, T * dEnc]
 */
export function encode(
  spec: LocalModelSpec,
  { modality, tokens }: EncoderSpec,
  x: tf.Tensor2D,
  parameter: ParameterTensors,
  hook: DenseHook,
): tf.Tensor2D {
  const prefix = `encoder.${modality}`;
  const down = tf.matMul(x, parameter(`${prefix}.down.weight`) as tf.Tensor2D);
  const biased = tf.add(down, parameter(`${prefix}.down.bias`)) as tf.Tensor2D;
  const hidden = gelu(hook(`${prefix}.down`, x, biased));
  const up = tf.matMul(hidden, parameter(`${prefix}.up.weight`) as tf.Tensor2D) as tf.Tensor2D;
  const sum = tf.add(x, hook(`${prefix}.up`, hidden, up));
  const rows = tf.reshape(sum, [-1, spec.dEnc]);
  const centred = tf.sub(rows, tf.mean(rows, 1, true));
  const variance = tf.mean(tf.square(centred), 1, true);
  const normal = tf.mul(centred, tf.rsqrt(tf.add(variance, NORM_EPSILON)));
  return tf.reshape(normal, [-1, tokens * spec.dEnc]);
}

/** The sigmoid form of GELU (Hendrycks and Gimpel 2016, section 2). */
function gelu(x: tf.Tensor2D): tf.Tensor2D {
  return tf.mul(x, tf.sigmoid(tf.mul(x, 1.702)));
}

/**
 * Logits of every head: a linear map of the mean over the tokens of the modalities that a record has.
 *
 * @returns by task, [B, K]
 */
export function logits(
  spec: LocalModelSpec,
  { encoders, heads }: SetModel,
  batch: Batch,
  parameter: ParameterTensors,
  hook: DenseHook,
): Map<string, tf.Tensor2D> {
  const sums = new Map<string, tf.Tensor2D>();
  for (const encoder of encoders) {
    const { modality, tokens } = encoder;
    const x = batch.tokens.get(modality) as tf.Tensor2D;
    const encoded = encode(spec, encoder, x, parameter, hook);
    const sum = tf.sum(tf.reshape(encoded, [-1, tokens, spec.dEnc]), 1);
    sums.set(modality, tf.mul(sum, batch.present.get(modality) as tf.Tensor2D));
  }
  return new Map(heads.map((head) => [head.task, headLogits(head, encoders, sums, batch, parameter, hook)]));
}

function headLogits(
  { task, modalities }: HeadSpec,
  encoders: readonly EncoderSpec[],
  sums: ReadonlyMap<string, tf.Tensor2D>,
  batch: Batch,
  parameter: ParameterTensors,
  hook: DenseHook,
): tf.Tensor2D {
  const read = encoders.filter(({ modality }) => modalities.includes(modality));
  const total = tf.addN(read.map(({ modality }) => sums.get(modality) as tf.Tensor2D));
  const counts = read.map(({ modality, tokens }) =>
    tf.mul(batch.present.get(modality) as tf.Tensor2D, tokens)
  );
  const pooled = tf.div(total, tf.maximum(tf.addN(counts), 1)) as tf.Tensor2D;
  const output = tf.matMul(pooled, parameter(`head.${task}.weight`) as tf.Tensor2D);
  return hook(`head.${task}`, pooled, tf.add(output, parameter(`head.${task}.bias`)));
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
  return tf.addN(losses);
}

/** Loss per output: cross-entropy, or half the squared error of a standardised target. */
function elementLoss(type: HeadSpec["type"], z: tf.Tensor2D, y: tf.Tensor2D): tf.Tensor {
  switch (type) {
    case "binary":
    case "multilabel":
      // -log sigmoid of the signed logit, in the form that never overflows.
      return tf.sub(tf.softplus(z), tf.mul(z, y));
    case "multiclass":
      return tf.neg(tf.mul(tf.logSoftmax(z), y));
    case "regression":
      return tf.mul(tf.square(tf.sub(z, y)), 0.5);
  }
}
