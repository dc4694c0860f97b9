import { FedKimError } from "../formats/errors.ts";
import { readFloat32, tf } from "../tensor/mod.ts";
import { type SetModel, setModel, uploadBatch } from "./_batch.ts";
import { MICROBATCH_ROWS } from "./clipped_gradient.ts";
import type { SetFeatures, SiteFeatures } from "./features.ts";
import { encode, logits, uploadParameters } from "./_forward.ts";
import { type LayerContext, noHook } from "./_layer_ops.ts";
import { accuracy, auprc, auroc, brier, f1 } from "./metrics.ts";
import type { HeadSpec, LocalModelSpec } from "./spec.ts";
import type { LocalWeights } from "./weights.ts";

/** Tokens of one modality for all records of a set. */
export interface EncodedModality {
  /** Tokens per record T. */
  readonly tokens: number;
  /** Width of a token. */
  readonly dEnc: number;
  /** Row-major [N, T, dEnc]; zero where the modality is missing. */
  readonly data: Float32Array;
  /** 1 where the record has the modality. */
  readonly present: Uint8Array;
}

/**
 * Encodes a modality of all records of a set, for the injection into the foundation model.
 *
 * @param spec the model
 * @param weights its numbers
 * @param features the set
 * @param modality a modality of the set
 * @returns tokens in the order of the set's records
 * @throws FedKimError `ConfigError` when the set or the model lacks the modality
 */
export async function encodeRecords(
  spec: LocalModelSpec,
  weights: LocalWeights,
  features: SetFeatures,
  modality: string,
): Promise<EncodedModality> {
  const encoder = spec.encoders.find((item) => item.modality === modality);
  const stem = features.tokens.get(modality);
  if (encoder === undefined || stem === undefined) {
    throw new FedKimError("ConfigError", `The set ${features.name} has no encoded modality ${modality}.`, {
      needed: `one of ${[...features.tokens.keys()].join(", ")}`,
    });
  }
  const model = { encoders: [encoder], heads: [] };
  const width = encoder.tokens * spec.dEnc;
  const data = new Float32Array(features.size * width);
  await forEachBatch(spec, features, weights, model, async (rows, parameters) => {
    const result = tf.tidy(() => {
      const batch = uploadBatch(spec, features, model, rows, MICROBATCH_ROWS);
      const encoded = encode(spec, encoder, batch, context(parameters));
      const mask = batch.mask.get(modality);
      if (mask === undefined) return encoded;
      const there = tf.reshape(mask, [MICROBATCH_ROWS, encoder.tokens, 1]);
      return tf.mul(tf.reshape(encoded, [MICROBATCH_ROWS, encoder.tokens, spec.dEnc]), there);
    });
    const values = await readFloat32(result);
    result.dispose();
    rows.forEach((row, index) => {
      if (stem.present[row] === 1) data.set(values.subarray(index * width, (index + 1) * width), row * width);
    });
  });
  return { tokens: encoder.tokens, dEnc: spec.dEnc, data, present: stem.present };
}

/** Logits and targets of a task's labelled records. */
export interface TaskScores {
  /** Logits, row-major [n, K]. */
  readonly scores: Float64Array;
  /** Targets, row-major [n, K]. */
  readonly labels: Float64Array;
  /** Row of each record in its set. */
  readonly records: Int32Array;
  /** Number of outputs K. */
  readonly outputs: number;
  /** Rows of labelled records whose open answer the head cannot give. */
  readonly outside: readonly number[];
}

/**
 * Scores a task's labelled records by its local head.
 *
 * @param spec the model
 * @param weights its numbers
 * @param features the set that carries the task's labels
 * @param task a task of the model
 * @throws FedKimError `UnknownTask` when the model has no such head or the set no such labels
 */
export async function taskScores(
  spec: LocalModelSpec,
  weights: LocalWeights,
  features: SetFeatures,
  task: string,
): Promise<TaskScores> {
  const head = spec.heads.find((item) => item.task === task);
  const known = features.labels.get(task);
  if (head === undefined || known === undefined) {
    throw new FedKimError("UnknownTask", `The set ${features.name} has no local head for the task ${task}.`, {
      needed: `one of ${[...features.labels.keys()].join(", ")}`,
    });
  }
  const { encoders } = setModel(spec, features);
  const model = {
    encoders: encoders.filter(({ modality }) => head.modalities.includes(modality)),
    heads: [head],
  };
  const { outputs } = head;
  const records = Int32Array.from(rowsWith(known.known));
  const scores = new Float64Array(records.length * outputs);
  let filled = 0;
  await forEachBatch(spec, { size: records.length }, weights, model, async (part, parameters) => {
    const rows = part.map((index) => records[index]);
    const result = tf.tidy(() => {
      const batch = uploadBatch(spec, features, model, rows, MICROBATCH_ROWS);
      return logits(spec, model, batch, context(parameters)).get(task) as tf.Tensor2D;
    });
    const values = await readFloat32(result);
    result.dispose();
    scores.set(values.subarray(0, rows.length * outputs), filled);
    filled += rows.length * outputs;
  });
  const labels = Float64Array.from(scores, (_, at) => {
    return known.data[records[Math.floor(at / outputs)] * outputs + at % outputs];
  });
  return { scores, labels, records, outputs, outside: rowsWith(known.outside) };
}

/** Rows whose flag is set. */
function rowsWith(flags: Uint8Array): number[] {
  return [...flags.keys()].filter((row) => flags[row] === 1);
}

function context(parameters: ReadonlyMap<string, tf.Tensor>): LayerContext {
  return { parameter: (name) => parameters.get(name) as tf.Tensor, hook: noHook };
}

async function forEachBatch(
  spec: LocalModelSpec,
  { size }: { readonly size: number },
  weights: LocalWeights,
  model: SetModel,
  body: (rows: number[], parameters: ReadonlyMap<string, tf.Tensor>) => Promise<void>,
): Promise<void> {
  const parameters = uploadParameters(spec, weights, model);
  try {
    for (let start = 0; start < size; start += MICROBATCH_ROWS) {
      const rows = Array.from(
        { length: Math.min(MICROBATCH_ROWS, size - start) },
        (_, index) => start + index,
      );
      await body(rows, parameters);
    }
  } finally {
    for (const tensor of parameters.values()) tensor.dispose();
  }
}

/** Figures of one binary task; a figure is absent where it is not defined (one class only). */
export interface TaskMetrics {
  /** Labelled records. */
  readonly n: number;
  /** Positive records. */
  readonly positives: number;
  /** Area under the ROC curve. */
  readonly auroc?: number;
  /** Average precision. */
  readonly auprc?: number;
  /** Accuracy at logit 0. */
  readonly accuracy?: number;
  /** F1 at logit 0. */
  readonly f1?: number;
  /** Brier score. */
  readonly brier?: number;
}

/**
 * Figures of all binary tasks of a model on one part of a federation.
 *
 * @param spec the model
 * @param weights its numbers
 * @param features for example the test part
 * @returns figures by task
 */
export async function evaluateLocal(
  spec: LocalModelSpec,
  weights: LocalWeights,
  features: SiteFeatures,
): Promise<Record<string, TaskMetrics>> {
  const out: Record<string, TaskMetrics> = {};
  for (const { task, set, type } of spec.heads) {
    const found = features.sets.get(set);
    if (found === undefined || type !== "binary") continue;
    out[task] = binaryMetrics(await taskScores(spec, weights, found, task));
  }
  return out;
}

/**
 * All figures of binary scores.
 *
 * @param data logits and 0/1 labels
 */
export function binaryMetrics(data: { scores: ArrayLike<number>; labels: ArrayLike<number> }): TaskMetrics {
  const defined = (name: string, value: number | undefined): Record<string, number> => {
    return value === undefined ? {} : { [name]: value };
  };
  return {
    n: data.labels.length,
    positives: Array.from(data.labels).filter((label) => label === 1).length,
    ...defined("auroc", auroc(data)),
    ...defined("auprc", auprc(data)),
    ...defined("accuracy", accuracy(data)),
    ...defined("f1", f1(data)),
    ...defined("brier", brier(data)),
  };
}

/**
 * The classes or answers that logits stand for.
 *
 * @param head a head with `answers`
 * @param scores logits, row-major [n, K]
 * @returns per record the likeliest answer; for a multilabel task every label above logit 0
 * @throws FedKimError `ConfigError` for a head with a single output
 */
export function decodeAnswers(head: HeadSpec, scores: ArrayLike<number>): string[][] {
  const { answers, outputs, task, type } = head;
  if (answers === undefined) {
    throw new FedKimError("ConfigError", `The task ${task} has no list of answers.`, {
      found: `type ${type}`,
      needed: "multiclass, multilabel or open",
    });
  }
  return Array.from({ length: scores.length / outputs }, (_, row) => {
    const logits = answers.map((_, k) => scores[row * outputs + k]);
    if (type === "multilabel") return answers.filter((_, k) => logits[k] > 0);
    return [answers[logits.indexOf(Math.max(...logits))]];
  });
}
