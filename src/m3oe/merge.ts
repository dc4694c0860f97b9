import { FedKimError } from "../formats/errors.ts";
import {
  type Decoder,
  type DecoderWeights,
  type Linear,
  LINEAR_NAMES,
  type LinearName,
} from "../foundation/mod.ts";
import { denseWeight, disposeAll, gatherRows, readScalar, tf, type TokenTable } from "../tensor/mod.ts";
import type { ExpertLookup, ExpertPair } from "./experts.ts";
import type { TaskText } from "./samples.ts";

/** Weights with experts merged in. */
export interface MergedWeights {
  /** Shares every tensor that has no expert with the base. */
  readonly weights: DecoderWeights;
  /** The tensors that were made. */
  readonly made: readonly tf.Tensor[];
  /** Frees the merged tensors; the base stays. */
  readonly dispose: () => void;
}

/** A decoder with the experts of one task merged in: it costs what the base costs. */
export interface MergedDecoder {
  /** The merged decoder. Its hash is not the base's: an adapter of the base does not fit it. */
  readonly decoder: Decoder;
  /** The task whose texts set the gate. */
  readonly task: TaskText;
  /**
   * Takes the experts out again: frees the merged tensors.
   *
   * @returns the base, whose tensors were never touched, so that it is restored to the bit
   */
  unmerge(): Decoder;
}

/**
 * Merges experts into the base for one gate vector, W + A_cat diag(scale) B_cat: inference then costs what the
 * base costs. Exact, because the gate reads only the task's texts and so is the same for all its samples.
 *
 * @param weights the frozen base
 * @param lookup the experts
 * @param scale `[1, E*r]`
 * @param head experts of the output head, if it has any
 * @returns merged weights
 */
export function mergeExperts(
  weights: DecoderWeights,
  lookup: ExpertLookup,
  scale: tf.Tensor2D,
  head?: ExpertPair,
): MergedWeights {
  const made: tf.Tensor[] = [];
  const update = (pair: ExpertPair): tf.Tensor2D => tf.matMul(pair.down.mul<tf.Tensor2D>(scale), pair.up);
  const keep = (merge: () => tf.Tensor2D): tf.Tensor2D => {
    const weight = tf.tidy(merge);
    made.push(weight);
    return weight;
  };
  const layers = weights.layers.map((layer, index) => {
    const linear = (name: LinearName): Linear => {
      const base = layer.linears[name];
      const pair = lookup(index, name);
      return pair === undefined
        ? base
        : { ...base, weight: keep(() => denseWeight(base.weight).add(update(pair))) };
    };
    const linears = Object.fromEntries(LINEAR_NAMES.map((name) => [name, linear(name)]));
    return { ...layer, linears: linears as Record<LinearName, Linear> };
  });
  const merged = head === undefined
    ? { ...weights, layers }
    : { ...weights, layers, head: keep(() => wholeTable(weights.head).add(update(head).transpose())) };
  return { weights: merged, made, dispose: () => disposeAll(made) };
}

/** A table as a float32 tensor `[V, H]`, also where it is packed. */
function wholeTable(table: TokenTable): tf.Tensor2D {
  return gatherRows(table, Array.from({ length: table.shape[0] }, (_, row) => row));
}

/**
 * Refuses merged weights that are not finite, which would answer every question with NaN.
 *
 * @param merged the merged weights; freed when they are refused
 * @param task the task they were merged for, for the message
 * @throws FedKimError `ModelError` when a value is NaN or infinite
 */
export async function checkMerged(merged: MergedWeights, task: TaskText): Promise<void> {
  // x - x is 0 for every finite x and NaN otherwise, and one NaN makes the sum NaN.
  const sum = tf.tidy(() => tf.addN([tf.scalar(0), ...merged.made.map((x) => x.sub(x).sum())]));
  const zero = await readScalar(sum);
  sum.dispose();
  if (zero === 0) return;
  merged.dispose();
  throw new FedKimError("ModelError", `The experts merged for the task ${task.name} are not finite.`, {
    remedy: "train the injection again with a lower learningRate, or copy the adapter folder again",
  });
}

/**
 * Puts merged weights into a decoder.
 *
 * @param base the frozen base; it stays the caller's
 * @param merged its weights with experts merged in; owned from now on
 * @param task the task they were merged for
 * @returns the merged decoder with its way back
 */
export function mergedDecoder(base: Decoder, merged: MergedWeights, task: TaskText): MergedDecoder {
  const decoder = {
    ...base,
    weights: merged.weights,
    baseHash: `merged:${base.baseHash}`,
    dispose: merged.dispose,
  };
  return {
    decoder,
    task,
    unmerge: () => {
      merged.dispose();
      return base;
    },
  };
}
