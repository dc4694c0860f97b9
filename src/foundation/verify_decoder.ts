import { openSafetensors, readFloats, readIntegers, type TensorArchive } from "../formats/safetensors.ts";
import { FedKimError } from "../formats/errors.ts";
import { readFloat32, readScalar, TensorScope, tf } from "../tensor/mod.ts";
import { embedTokens, loadDecoder } from "./decoder.ts";
import type { Decoder } from "./decoder.ts";
import { decoderForward, logitsOf } from "./forward.ts";
import { generateGreedy } from "./generate.ts";
import { IGNORED_LABEL, tokenCrossEntropy } from "./loss.ts";

/** The comparison of this build with reference values computed elsewhere. */
export interface Verification {
  /** For every quantity max|a - b| / max|b|, over unpadded positions. */
  readonly maxRelativeError: Readonly<Record<string, number>>;
  /** True when the greedy continuation is the same token for token; absent where there is none to compare. */
  readonly greedyMatches?: boolean;
  /** The backend that computed. */
  readonly backend: string;
}

/**
 * max|a - b| / max|b| over the entries that count.
 *
 * @param actual this build's values
 * @param expected the reference
 * @param counts which entries count; all by default
 * @returns the relative error; infinite when anything that counts is not finite
 */
export function maxRelativeError(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  counts: (index: number) => boolean = () => true,
): number {
  if (actual.length !== expected.length) return Infinity;
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!counts(i)) continue;
    const error = Math.abs(actual[i] - expected[i]);
    if (!(error <= difference)) difference = Number.isNaN(error) ? Infinity : error;
    size = Math.max(size, Math.abs(expected[i]));
  }
  return difference === 0 ? 0 : difference / size;
}

/**
 * Recomputes `expected.safetensors` of a checkpoint folder: logits, loss, hidden states, the gradient of the loss
 * in the input embeddings, and a greedy continuation.
 *
 * @param folder a checkpoint folder with `expected.safetensors`
 * @param report receives the memory plan in one line before anything is loaded
 * @returns relative errors by quantity
 * @throws FedKimError `FormatError` or `ModelError` for files that cannot be used
 */
export async function verifyDecoder(
  folder: string,
  report: (line: string) => void = () => {},
): Promise<Verification> {
  const archive = await openSafetensors(`${folder}/expected.safetensors`);
  const [batch, tokens] = entry(archive, "input_ids").shape;
  const use = { batch, tokens, scoredTokens: tokens, training: true };
  const decoder = await loadDecoder(folder, { use, report });
  try {
    return {
      maxRelativeError: await compareForward(decoder, archive),
      greedyMatches: await compareGreedy(decoder, archive),
      backend: tf.getBackend(),
    };
  } finally {
    decoder.dispose();
  }
}

async function compareForward(decoder: Decoder, archive: TensorArchive): Promise<Record<string, number>> {
  using scope = new TensorScope();
  const { weights, config } = decoder;
  const ids = await integers(archive, "input_ids");
  const mask = await integers(archive, "attention_mask");
  const positions = await integers(archive, "position_ids");
  const labels = shiftLabels(await integers(archive, "labels"), ids.shape[1]);
  const attentionMask = scope.own(tf.tensor2d(Float32Array.from(mask.values), ids.shape));
  const embeddings = scope.own(embedTokens(decoder, ids.values, ids.shape));
  const options = { attentionMask, positions: positions.values, hiddenStates: true };
  const { states, logits } = tf.tidy(() => {
    const result = decoderForward(weights, config, embeddings, options);
    return { states: [...result.hiddenStates ?? []], logits: logitsOf(weights, result.hidden) };
  });
  for (const tensor of [...states, logits]) scope.own(tensor);
  const lossOf = (x: tf.Tensor): tf.Scalar =>
    tokenCrossEntropy(
      logitsOf(weights, decoderForward(weights, config, x as tf.Tensor3D, options).hidden),
      labels,
    );
  const { value: loss, grad } = tf.tidy(() => tf.valueAndGrad(lossOf)(embeddings));
  scope.own(loss);
  scope.own(grad);

  const errors: Record<string, number> = {};
  const compare = async (name: string, actual: ArrayLike<number>, width?: number): Promise<void> => {
    const expected = await floats(archive, name);
    const counts = width === undefined
      ? undefined
      : (index: number) => mask.values[Math.floor(index / width)] === 1;
    errors[name] = maxRelativeError(actual, expected, counts);
  };
  await compare("logits", await readFloat32(logits), config.vocabSize);
  await compare("loss", [await readScalar(loss)]);
  for (const [index, state] of states.entries()) {
    await compare(`hidden_${index}`, await readFloat32(state), config.hiddenSize);
  }
  await compare("grad_inputs_embeds", await readFloat32(grad), config.hiddenSize);
  return errors;
}

async function compareGreedy(decoder: Decoder, archive: TensorArchive): Promise<boolean> {
  const { values } = await integers(archive, "greedy_12");
  const prompt = values.subarray(0, values.length - 12);
  const embeddings = embedTokens(decoder, prompt, [1, prompt.length]);
  const [tokens] = await generateGreedy(decoder, embeddings, { maxTokens: 12, stopIds: [] });
  embeddings.dispose();
  return tokens.every((token, index) => token === values[prompt.length + index]);
}

/** Hugging Face labels stand at their own position; the loss at position t predicts position t + 1. */
function shiftLabels({ values }: { values: Int32Array }, length: number): Int32Array {
  return values.map((_, index) => (index + 1) % length === 0 ? IGNORED_LABEL : values[index + 1]);
}

function entry(archive: TensorArchive, name: string): Parameters<typeof readFloats>[0] {
  const stored = archive.tensors.get(name);
  if (stored !== undefined) return stored;
  throw new FedKimError("FormatError", `The reference file ${archive.path} is incomplete.`, {
    found: `no tensor ${name}`,
    needed:
      "input_ids, attention_mask, position_ids, labels, logits, loss, hidden_*, grad_inputs_embeds, greedy_12",
  });
}

async function floats(archive: TensorArchive, name: string): Promise<Float32Array> {
  return await readFloats(entry(archive, name));
}

async function integers(
  archive: TensorArchive,
  name: string,
): Promise<{ values: Int32Array; shape: [number, number] }> {
  const stored = entry(archive, name);
  return { values: await readIntegers(stored), shape: [stored.shape[0], stored.shape[1] ?? 1] };
}
