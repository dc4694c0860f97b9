import { type Decoder, type TextTokenizer } from "../foundation/mod.ts";
import { gatherRows, type RandomSource, tf } from "../tensor/mod.ts";
import type { Batch } from "./batches.ts";
import type { PromptForm } from "./config.ts";
import type { Projector } from "./parameters.ts";
import type { ModalityTokens } from "./samples.ts";
import { type AttachedEncoder, encodeRows } from "./token_encoder.ts";

/** A batch as decoder input. */
export interface PromptInput {
  /** `[B, T, H]`. */
  readonly embeddings: tf.Tensor3D;
  /** `[B, T]`, only when samples differ in length. */
  readonly attentionMask?: tf.Tensor2D;
  /** Positions of all B*T tokens, padding not counted; only when samples differ in length. */
  readonly positions?: Int32Array;
}

/** Token ids that are the same in every prompt. */
export interface PromptIds {
  /** The sequence start and the prefix. */
  readonly prefix: readonly number[];
  /** Ids before and after a modality's tokens. */
  readonly tags: ReadonlyMap<string, readonly [readonly number[], readonly number[]]>;
}

/**
 * Encodes the constant parts of the prompt.
 *
 * @param form the prompt form
 * @param tokenizer the base's tokenizer
 * @param decoder the base, for its start token
 * @returns their ids
 */
export function promptIds(form: PromptForm, tokenizer: TextTokenizer, decoder: Decoder): PromptIds {
  const start = tokenizer.bosId ?? decoder.config.bosTokenId;
  const tags = Object.entries(form.tags).map(([modality, [open, close]]) =>
    [modality, [tokenizer.encode(open), tokenizer.encode(close)]] as const
  );
  return {
    prefix: [...(start === undefined ? [] : [start]), ...tokenizer.encode(form.prefix)],
    tags: new Map(tags),
  };
}

/** Gaussian noise on standardised tokens while training: keeps the projectors from memorising few samples. */
export interface TokenNoise {
  /** Standard deviation, in units of each feature's own. */
  readonly deviation: number;
  /** Seeded source. */
  readonly random: RandomSource;
}

/** What turns a record's modalities into input embeddings. */
export interface ModalityInputs {
  /** Projectors by modality. */
  readonly projectors: ReadonlyMap<string, Projector>;
  /** Encoders that are trained too, by modality. */
  readonly encoders: ReadonlyMap<string, AttachedEncoder>;
}

/**
 * Builds the decoder's input `<bos> prefix [modality tokens] text question suffix [answer so far]` of a batch.
 * Where lengths differ, padding stands between the modality tokens and the text, masked and without positions, so
 * that all sequences end together.
 *
 * @param decoder the base, for its embedding
 * @param ids constant parts
 * @param inputs projectors and trained encoders
 * @param batch samples of one layout
 * @param withAnswer append the answer but its last token, for training on several answer tokens
 * @param noise noise on the tokens; none at inference
 * @returns embeddings, and mask and positions where there is padding; call inside `tf.tidy`
 */
export function promptInput(
  decoder: Decoder,
  ids: PromptIds,
  { projectors, encoders }: ModalityInputs,
  batch: Batch,
  withAnswer: boolean,
  noise?: TokenNoise,
): PromptInput {
  const rows = batch.length;
  const tails = batch.map(({ suffix, answer }) => withAnswer ? [...suffix, ...answer.slice(0, -1)] : suffix);
  const longest = Math.max(...tails.map((tail) => tail.length));
  const { embedding } = decoder.weights;
  const hidden = decoder.config.hiddenSize;
  const same = (constant: readonly number[]): tf.Tensor3D[] =>
    constant.length === 0 ? [] : [
      gatherRows(embedding, constant).expandDims(0).tile([
        rows,
        1,
        1,
      ]) as tf.Tensor3D,
    ];
  const parts = [...same(ids.prefix)];
  for (const [slot, { modality, count }] of batch[0].modalities.entries()) {
    if (count === 0) continue;
    const [open, close] = ids.tags.get(modality) ?? [[], []];
    const projector = projectors.get(modality) as Projector;
    const encoder = encoders.get(modality);
    const records = batch.map(({ modalities }) => modalities[slot]);
    const tokens = encoder === undefined
      ? stackTokens(records, projector, noise)
      : encodedTokens(records, encoder, projector, noise);
    const projected = tf.matMul(tokens, projector.weight).add(projector.bias).reshape([rows, count, hidden]);
    parts.push(...same(open), projected as tf.Tensor3D, ...same(close));
  }
  const head = parts.reduce((sum, part) => sum + part.shape[1], 0);
  const tailIds = new Int32Array(rows * longest);
  tails.forEach((tail, row) => tailIds.set(tail, (row + 1) * longest - tail.length));
  parts.push(
    gatherRows(embedding, tailIds).reshape([rows, longest, hidden]) as tf.Tensor3D,
  );
  const embeddings = tf.concat(parts, 1);
  if (tails.every((tail) => tail.length === longest)) return { embeddings };
  return { embeddings, ...padding(head, longest, tails.map((tail) => tail.length)) };
}

function padding(
  head: number,
  longest: number,
  lengths: readonly number[],
): { attentionMask: tf.Tensor2D; positions: Int32Array } {
  const width = head + longest;
  const mask = new Float32Array(lengths.length * width).fill(1);
  const positions = new Int32Array(lengths.length * width);
  lengths.forEach((length, row) => {
    const gap = longest - length;
    for (let t = 0; t < width; t++) {
      const padded = t >= head && t < head + gap;
      if (padded) mask[row * width + t] = 0;
      else positions[row * width + t] = t < head ? t : t - gap;
    }
  });
  return { attentionMask: tf.tensor2d(mask, [lengths.length, width]), positions };
}

/** Standardised tokens of an encoder that is trained too, `[B*count, dEnc]`. */
function encodedTokens(
  records: readonly ModalityTokens[],
  encoder: AttachedEncoder,
  { statistics: { mean, deviation } }: Projector,
  noise?: TokenNoise,
): tf.Tensor2D {
  const tokens = encodeRows(encoder, records.map(({ tokens }) => tokens));
  const standard = tokens.sub(tf.tensor1d(mean)).div<tf.Tensor2D>(tf.tensor1d(deviation));
  if (noise === undefined) return standard;
  const values = Float32Array.from({ length: tokens.size }, () => noise.deviation * noise.random.normal());
  return standard.add(tf.tensor2d(values, tokens.shape));
}

/** Standardised tokens of one modality, `[B*count, dEnc]`. */
function stackTokens(
  parts: readonly ModalityTokens[],
  { statistics }: Projector,
  noise?: TokenNoise,
): tf.Tensor2D {
  const { mean, deviation } = statistics;
  const width = mean.length;
  const size = parts[0].tokens.length;
  const values = new Float32Array(parts.length * size);
  parts.forEach(({ tokens }, row) => {
    for (let i = 0; i < size; i++) {
      const standard = (tokens[i] - mean[i % width]) / deviation[i % width];
      values[row * size + i] = noise === undefined
        ? standard
        : standard + noise.deviation * noise.random.normal();
    }
  });
  return tf.tensor2d(values, [values.length / width, width]);
}
