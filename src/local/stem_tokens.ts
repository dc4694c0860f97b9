import { tf } from "../tensor/mod.ts";
import { encoderLayers, layerParameters } from "./_architecture.ts";
import { type SetRows, stemWidth } from "./features.ts";
import { encode } from "./_forward.ts";
import { noHook } from "./_layer_ops.ts";
import type { EncoderSpec, LocalModelSpec } from "./spec.ts";
import { type HostTensor, type LocalWeights, tensorOf } from "./weights.ts";

/** Values per record that {@link encodeStem} reads: what the stem gives, and which tokens hold something. */
export function stemInputWidth(spec: LocalModelSpec, encoder: EncoderSpec): number {
  return stemWidth(spec, encoder) + (encoder.attention === undefined ? 0 : encoder.tokens);
}

/**
 * The input of a record's federated upper layers.
 *
 * @param features the record's set
 * @param row the record
 * @returns [stemInputWidth]
 */
export function stemInput(
  spec: LocalModelSpec,
  encoder: EncoderSpec,
  features: SetRows,
  row: number,
): Float32Array {
  const { data, mask } = features.tokens.get(encoder.modality)!;
  const width = stemWidth(spec, encoder);
  const input = new Float32Array(stemInputWidth(spec, encoder));
  for (let k = 0; k < width; k++) input[k] = data[row * width + k];
  if (mask !== undefined) {
    for (let t = 0; t < encoder.tokens; t++) input[width + t] = mask[row * encoder.tokens + t];
  }
  return input;
}

/** The federated weights of an encoder, by name. */
export function federatedEncoderWeights(
  spec: LocalModelSpec,
  weights: LocalWeights,
  encoder: EncoderSpec,
): Map<string, HostTensor> {
  const parameters = encoderLayers(encoder, spec.dEnc).flatMap(layerParameters);
  return new Map(parameters.map(({ name }) => [name, tensorOf(weights, name)]));
}

/**
 * An encoder's tokens from its stem's output, differentiable in the federated weights: for training encoders on public
 * data together with what reads their tokens.
 *
 * @param input [B, stemInputWidth]
 * @param parameter finds a federated weight by its name
 * @returns [B * T, dEnc], zero for tokens that the record lacks
 */
export function encodeStem(
  spec: LocalModelSpec,
  encoder: EncoderSpec,
  input: tf.Tensor2D,
  parameter: (name: string) => tf.Tensor,
): tf.Tensor2D {
  const { modality, tokens, attention } = encoder;
  const context = { parameter, hook: noHook };
  const none = new Map<string, tf.Tensor2D>();
  const batch = { tokens: none, present: none, mask: none, targets: none, known: none };
  if (attention === undefined) {
    const encoded = encode(spec, encoder, { ...batch, tokens: new Map([[modality, input]]) }, context);
    return tf.reshape(encoded, [-1, spec.dEnc]);
  }
  const [stem, mask] = tf.split(input, [input.shape[1] - tokens, tokens], 1) as [tf.Tensor2D, tf.Tensor2D];
  const whole = { ...batch, tokens: new Map([[modality, stem]]), mask: new Map([[modality, mask]]) };
  const encoded = tf.reshape(encode(spec, encoder, whole, context), [-1, spec.dEnc]) as tf.Tensor2D;
  return tf.mul(encoded, tf.reshape(mask, [-1, 1]));
}
