import { tf } from "../tensor/mod.ts";
import { type SetRows, stemWidth } from "./features.ts";
import type { EncoderSpec, HeadSpec, LocalModelSpec } from "./spec.ts";

/** The part of a model that one set's records go through. */
export interface SetModel {
  /** Encoders of the modalities that the heads read and the set has. */
  readonly encoders: readonly EncoderSpec[];
  /** Heads of the set's tasks. */
  readonly heads: readonly HeadSpec[];
}

/** Selects the encoders and heads that a set's records train. */
export function setModel(spec: LocalModelSpec, features: SetRows): SetModel {
  const heads = spec.heads.filter(({ task, modalities }) => {
    return features.labels.has(task) && modalities.some((modality) => features.tokens.has(modality));
  });
  const encoders = spec.encoders.filter(({ modality }) => {
    return features.tokens.has(modality) && heads.some((head) => head.modalities.includes(modality));
  });
  return { encoders, heads };
}

/** A row that holds no record: no token, no label, so no loss and no gradient. */
export const EMPTY_ROW = -1;

/** Some records of a set on the tensor backend, filled up with empty rows to a fixed number of rows. */
export interface Batch {
  /** What stems give by modality, [B, T * width]. */
  readonly tokens: ReadonlyMap<string, tf.Tensor2D>;
  /** 1 where the modality is there, by modality, [B, 1]. */
  readonly present: ReadonlyMap<string, tf.Tensor2D>;
  /** 1 where a token holds something, by modality of an attention encoder, [B, T]. */
  readonly mask: ReadonlyMap<string, tf.Tensor2D>;
  /** Targets by task, [B, K]. */
  readonly targets: ReadonlyMap<string, tf.Tensor2D>;
  /** 1 where labelled, by task, [B, 1]. */
  readonly known: ReadonlyMap<string, tf.Tensor2D>;
}

/** Copies records into tensors; call inside `tf.tidy` or dispose the result. */
export function uploadBatch(
  spec: LocalModelSpec,
  features: SetRows,
  { encoders, heads }: SetModel,
  rows: readonly number[],
  padTo: number,
): Batch {
  const matrix = (source: ArrayLike<number>, width: number): tf.Tensor2D => {
    const out = new Float32Array(padTo * width);
    rows.forEach((row, index) => {
      if (row === EMPTY_ROW) return;
      for (let k = 0; k < width; k++) out[index * width + k] = source[row * width + k];
    });
    return tf.tensor2d(out, [padTo, width]);
  };
  const tokens = new Map<string, tf.Tensor2D>();
  const present = new Map<string, tf.Tensor2D>();
  const mask = new Map<string, tf.Tensor2D>();
  const targets = new Map<string, tf.Tensor2D>();
  const known = new Map<string, tf.Tensor2D>();
  for (const encoder of encoders) {
    const { modality } = encoder;
    const stem = features.tokens.get(modality);
    if (stem === undefined) continue;
    tokens.set(modality, matrix(stem.data, stemWidth(spec, encoder)));
    present.set(modality, matrix(stem.present, 1));
    if (stem.mask !== undefined) mask.set(modality, matrix(stem.mask, encoder.tokens));
  }
  for (const { task, outputs } of heads) {
    const labels = features.labels.get(task);
    if (labels === undefined) continue;
    targets.set(task, matrix(labels.data, outputs));
    known.set(task, matrix(labels.known, 1));
  }
  return { tokens, present, mask, targets, known };
}
