import { FedKimError } from "../formats/errors.ts";
import { readFloat32, tf } from "../tensor/mod.ts";
import { SeededRandom } from "../tensor/seeded_random.ts";
import { type Decoder, embedTokens } from "./decoder.ts";
import {
  decoderForward,
  type ForwardOptions,
  type KeyValues,
  type LinearAdapter,
  logitsOf,
} from "./forward.ts";
import { checkSampling, likeliestToken, sampleToken, type Sampling } from "./sampling.ts";
import type { TextTokenizer } from "./tokenizer.ts";

/** How to continue prompts. */
export interface GenerateOptions {
  /** Most tokens to add per sequence. */
  readonly maxTokens: number;
  /** Adapters at the linear layers. */
  readonly adapter?: LinearAdapter;
  /** Tokens that end a sequence; default: the model's. */
  readonly stopIds?: readonly number[];
  /** Draw tokens instead of taking the likeliest. Every prompt of a batch has a random sequence of its own. */
  readonly sampling?: Sampling;
}

/** How to continue embedded prompts. */
export interface GenerateTokenOptions extends GenerateOptions {
  /** Padded positions at the start of each prompt; none by default. */
  readonly padding?: readonly number[];
  /** Ends a sequence when it returns true, asked after every new token. */
  readonly stopWhen?: (row: number, tokens: readonly number[]) => boolean;
}

/** How to continue texts. */
export interface GenerateTextOptions extends GenerateOptions {
  /** Texts that end a continuation; they are cut off. */
  readonly stop?: readonly string[];
}

/**
 * Continues several prompts, with a key-value cache.
 *
 * @param decoder the decoder
 * @param prompt input embeddings `[B, T, H]`, shorter prompts padded at the start; not disposed
 * @param options length, adapter, stops, sampling and padding
 * @returns for each prompt the new token ids, the stop token left out
 * @throws FedKimError `ModelError` when prompt and continuation exceed the model's positions or a logit is not
 * finite, `ConfigError` for sampling settings outside their ranges
 */
export async function generateTokens(
  decoder: Decoder,
  prompt: tf.Tensor3D,
  options: GenerateTokenOptions,
): Promise<number[][]> {
  const { sampling } = options;
  if (sampling !== undefined) checkSampling(sampling);
  const [batch, promptLength] = prompt.shape;
  const padding = options.padding ?? new Array<number>(batch).fill(0);
  const stop = new Set(options.stopIds ?? decoder.config.eosTokenIds);
  const sources = padding.map((_, row) => new SeededRandom((sampling?.seed ?? 0) + row));
  const outputs: number[][] = padding.map(() => []);
  const finished = padding.map(() => false);
  let past: readonly KeyValues[] | undefined;
  let input = tf.clone(prompt) as tf.Tensor3D;
  try {
    for (let step = 0; step < options.maxTokens && finished.includes(false); step++) {
      const { logits, keyValues } = nextLogits(decoder, input, past, options.adapter, {
        padding,
        length: promptLength + step,
      });
      disposeCache(past);
      past = keyValues;
      const rows = await readRows(logits, decoder.config.vocabSize);
      input.dispose();
      const tokens = rows.map((row, index) =>
        sampling === undefined ? likeliestToken(row) : sampleToken(row, sampling, sources[index])
      );
      tokens.forEach((token, row) => {
        if (finished[row]) return;
        if (stop.has(token)) finished[row] = true;
        else {
          outputs[row].push(token);
          finished[row] = options.stopWhen?.(row, outputs[row]) ?? false;
        }
      });
      input = embedTokens(decoder, tokens, [batch, 1]);
    }
  } finally {
    disposeCache(past);
    input.dispose();
  }
  return outputs;
}

/**
 * {@link generateTokens} without sampling: the likeliest token at every step.
 *
 * @param decoder the decoder
 * @param prompt input embeddings `[B, T, H]`; not disposed
 * @param options length, adapter and stop tokens
 * @returns for each prompt the new token ids, the stop token left out
 * @throws FedKimError `ModelError`, as {@link generateTokens}
 */
export async function generateGreedy(
  decoder: Decoder,
  prompt: tf.Tensor3D,
  options: Omit<GenerateTokenOptions, "sampling">,
): Promise<number[][]> {
  return await generateTokens(decoder, prompt, options);
}

/**
 * Continues several texts in one batch.
 *
 * @param decoder the decoder
 * @param tokenizer its tokenizer
 * @param texts the prompts, without the start token
 * @param options length, adapter, stops and sampling
 * @returns the continuations, in order
 * @throws FedKimError `ModelError` and `ConfigError`, as {@link generateTokens}
 */
export async function generateTexts(
  decoder: Decoder,
  tokenizer: TextTokenizer,
  texts: readonly string[],
  options: GenerateTextOptions,
): Promise<string[]> {
  if (texts.length === 0) return [];
  const start = tokenizer.bosId ?? decoder.config.bosTokenId;
  const ids = texts.map((text) => [...(start === undefined ? [] : [start]), ...tokenizer.encode(text)]);
  const length = Math.max(...ids.map((row) => row.length));
  if (ids.some((row) => row.length === 0)) {
    throw new FedKimError("ModelError", "An empty prompt cannot be continued.", {
      found: "a prompt without tokens, and a model without a start token",
      needed: "at least one token",
    });
  }
  const padding = ids.map((row) => length - row.length);
  const padded = ids.flatMap((row, i) => [...new Array<number>(padding[i]).fill(0), ...row]);
  const prompt = embedTokens(decoder, padded, [texts.length, length]);
  const stops = options.stop ?? [];
  const stopWhen = (_: number, tokens: readonly number[]): boolean => {
    if (stops.length === 0) return false;
    const text = tokenizer.decode(tokens);
    return stops.some((stop) => text.includes(stop));
  };
  try {
    const outputs = await generateTokens(decoder, prompt, { ...options, padding, stopWhen });
    return outputs.map((tokens) => cutAt(tokenizer.decode(tokens), stops));
  } finally {
    prompt.dispose();
  }
}

/**
 * Continues one text.
 *
 * @param decoder the decoder
 * @param tokenizer its tokenizer
 * @param text the prompt, without the start token
 * @param options length, adapter, stops and sampling
 * @returns the continuation
 * @throws FedKimError `ModelError` and `ConfigError`, as {@link generateTokens}
 */
export async function generateText(
  decoder: Decoder,
  tokenizer: TextTokenizer,
  text: string,
  options: GenerateTextOptions,
): Promise<string> {
  return (await generateTexts(decoder, tokenizer, [text], options))[0];
}

function nextLogits(
  decoder: Decoder,
  input: tf.Tensor3D,
  past: readonly KeyValues[] | undefined,
  adapter: LinearAdapter | undefined,
  sequence: { padding: readonly number[]; length: number },
): { logits: tf.Tensor2D; keyValues: readonly KeyValues[] } {
  const { weights, config } = decoder;
  return tf.tidy(() => {
    const result = decoderForward(weights, config, input, {
      lastOnly: true,
      keepKeyValues: true,
      ...(adapter === undefined ? {} : { adapter }),
      ...(past === undefined ? {} : { past }),
      ...maskAndPositions(sequence.padding, sequence.length, input.shape[1]),
    });
    return { logits: logitsOf(weights, result.hidden), keyValues: result.keyValues as KeyValues[] };
  });
}

/** Mask over all tokens so far and positions of the new ones; nothing where no prompt is padded. */
function maskAndPositions(
  padding: readonly number[],
  length: number,
  added: number,
): Pick<ForwardOptions, "attentionMask" | "positions"> {
  if (padding.every((count) => count === 0)) return {};
  const mask = padding.flatMap((count) => Array.from({ length }, (_, at) => at < count ? 0 : 1));
  const positions = padding.flatMap((count) =>
    Array.from({ length: added }, (_, at) => Math.max(0, length - added + at - count))
  );
  return { attentionMask: tf.tensor2d(mask, [padding.length, length]), positions };
}

/** Logits by row on the host; frees the tensor. */
async function readRows(logits: tf.Tensor2D, width: number): Promise<Float32Array[]> {
  const values = await readFloat32(logits);
  logits.dispose();
  if (!values.every(Number.isFinite)) {
    throw new FedKimError("ModelError", "The model computed logits that are not finite.", {
      needed: "finite logits",
      remedy: "check the checkpoint, or use another backend",
    });
  }
  return Array.from({ length: logits.shape[0] }, (_, row) => values.subarray(row * width, (row + 1) * width));
}

function cutAt(text: string, stops: readonly string[]): string {
  const ends = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
}

function disposeCache(past: readonly KeyValues[] | undefined): void {
  for (const { keys, values } of past ?? []) tf.dispose([keys, values]);
}
