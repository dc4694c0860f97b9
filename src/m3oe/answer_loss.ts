import { type Decoder, logitsOf, tokenCrossEntropy } from "../foundation/mod.ts";
import { gatherRows, tf } from "../tensor/mod.ts";
import type { Batch } from "./batches.ts";
import type { AnswerTokens, EncodedSample } from "./encoded_sample.ts";
import type { ExpertPair } from "./experts.ts";

/** Experts of the output head with the weight of every rank-one term. */
export interface HeadUpdate {
  /** The experts. */
  readonly pair: ExpertPair;
  /** `[1, E*r]`. */
  readonly scale: tf.Tensor2D;
}

/** What the loss of a batch depends on beside its hidden states. */
export interface AnswerLossOptions {
  /** The base. */
  readonly decoder: Decoder;
  /** The tokens of yes and no. */
  readonly answers: AnswerTokens;
  /** Share of the teacher in the target of binary samples. */
  readonly distillation: number;
  /** Experts of the output head. */
  readonly head: HeadUpdate | undefined;
}

/**
 * Cross-entropy over the whole vocabulary, averaged over the answers' tokens (the paper's loss).
 *
 * @param hidden final hidden states that predict the answers' tokens, `[N, H]`, in the order of the batch
 * @param batch the samples
 * @param options base, tokens of the answers, distillation and head
 * @returns a scalar, in nats per answer token
 */
export function vocabularyLoss(hidden: tf.Tensor2D, batch: Batch, options: AnswerLossOptions): tf.Scalar {
  const { decoder, head, answers: { yes, no } } = options;
  const frozen = logitsOf(decoder.weights, hidden);
  const logits = head === undefined
    ? frozen
    : frozen.add<tf.Tensor2D>(tf.matMul(lowRank(hidden, head), head.pair.up));
  if (!taught(batch, options)) return tokenCrossEntropy(logits, batch.flatMap(({ answer }) => answer));
  const both = tf.gather<tf.Tensor2D>(tf.logSoftmax(logits).transpose(), tf.tensor1d([no, yes], "int32"));
  return softCrossEntropy(both.transpose(), batch, options);
}

/**
 * Cross-entropy between yes and no alone, averaged over the samples.
 *
 * @param hidden final hidden states at the last positions, `[B, H]`
 * @param batch samples of a binary task
 * @param options base, tokens of the answers, distillation and head
 * @returns a scalar, in nats per sample
 */
export function constrainedLoss(hidden: tf.Tensor2D, batch: Batch, options: AnswerLossOptions): tf.Scalar {
  const { decoder, head, answers: { yes, no } } = options;
  const frozen: tf.Tensor2D = tf.matMul(hidden, gatherRows(decoder.weights.head, [no, yes]), false, true);
  const logits = head === undefined ? frozen : frozen.add<tf.Tensor2D>(
    tf.matMul(
      lowRank(hidden, head),
      tf.gather<tf.Tensor2D>(head.pair.up.transpose(), tf.tensor1d([no, yes], "int32")),
      false,
      true,
    ),
  );
  if (taught(batch, options)) return softCrossEntropy(tf.logSoftmax(logits), batch, options);
  return tokenCrossEntropy(logits, batch.map((sample) => labelOf(sample, yes)));
}

/** Whether a teacher moves any target of the batch. */
function taught(batch: Batch, { distillation }: AnswerLossOptions): boolean {
  return distillation > 0 && batch.some(({ teacher }) => teacher !== undefined);
}

/** Mean over samples of -sum p log q for p over no and yes. */
function softCrossEntropy(
  logProbabilities: tf.Tensor2D,
  batch: Batch,
  { distillation, answers: { yes } }: AnswerLossOptions,
): tf.Scalar {
  const targets = batch.map((sample) => {
    const label = labelOf(sample, yes);
    const p = label + distillation * ((sample.teacher ?? label) - label);
    return [1 - p, p];
  });
  return logProbabilities.mul(tf.tensor2d(targets)).sum().mul(-1 / batch.length);
}

function labelOf({ answer }: EncodedSample, yes: number): 0 | 1 {
  return answer[0] === yes ? 1 : 0;
}

function lowRank(hidden: tf.Tensor2D, { pair, scale }: HeadUpdate): tf.Tensor2D {
  return tf.matMul(hidden, pair.down).mul(scale);
}
