import { tf } from "../tensor/mod.ts";
import { type Decoder, embedTokens } from "./decoder.ts";
import { decoderForward, type KeyValues, type LinearAdapter, logitsOf } from "./forward.ts";
import type { TextTokenizer } from "./tokenizer.ts";

/** How to continue a prompt. */
export interface GenerateOptions {
  /** Most tokens to add per sequence. */
  readonly maxTokens: number;
  /** Adapters at the linear layers. */
  readonly adapter?: LinearAdapter;
  /** Tokens that end a sequence; default: the model's. */
  readonly stopIds?: readonly number[];
}

/**
 * Greedy continuation of several prompts of equal length, with a key-value cache.
 *
 * @param decoder the decoder
 * @param prompt input embeddings `[B, T, H]`; not disposed
 * @param options length, adapter and stop tokens
 * @returns for each prompt the new token ids, the stop token left out
 * @throws FedKimError `ModelError` when prompt and continuation exceed the model's positions
 */
export async function generateGreedy(
  decoder: Decoder,
  prompt: tf.Tensor3D,
  options: GenerateOptions,
): Promise<number[][]> {
  const { weights, config } = decoder;
  const batch = prompt.shape[0];
  const stop = new Set(options.stopIds ?? config.eosTokenIds);
  const outputs: number[][] = Array.from({ length: batch }, () => []);
  const finished = new Array<boolean>(batch).fill(false);
  let past: readonly KeyValues[] | undefined;
  let input = tf.clone(prompt) as tf.Tensor3D;
  try {
    for (let step = 0; step < options.maxTokens && finished.includes(false); step++) {
      const { next, keyValues } = tf.tidy(() => {
        const result = decoderForward(weights, config, input, {
          lastOnly: true,
          keepKeyValues: true,
          ...(options.adapter === undefined ? {} : { adapter: options.adapter }),
          ...(past === undefined ? {} : { past }),
        });
        return {
          next: logitsOf(weights, result.hidden).argMax(1),
          keyValues: result.keyValues as KeyValues[],
        };
      });
      disposeCache(past);
      past = keyValues;
      const tokens = await next.data();
      tf.dispose([next, input]);
      tokens.forEach((token, row) => {
        if (stop.has(token)) finished[row] = true;
        if (!finished[row]) outputs[row].push(token);
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
 * Continues a text.
 *
 * @param decoder the decoder
 * @param tokenizer its tokenizer
 * @param text the prompt, without special tokens
 * @param options see {@link GenerateOptions}
 * @returns the continuation
 * @throws FedKimError `ModelError` when prompt and continuation exceed the model's positions
 */
export async function generateText(
  decoder: Decoder,
  tokenizer: TextTokenizer,
  text: string,
  options: GenerateOptions,
): Promise<string> {
  const start = tokenizer.bosId ?? decoder.config.bosTokenId;
  const ids = [...(start === undefined ? [] : [start]), ...tokenizer.encode(text)];
  const prompt = embedTokens(decoder, ids, [1, ids.length]);
  try {
    const [tokens] = await generateGreedy(decoder, prompt, options);
    return tokenizer.decode(tokens);
  } finally {
    prompt.dispose();
  }
}

function disposeCache(past: readonly KeyValues[] | undefined): void {
  for (const { keys, values } of past ?? []) tf.dispose([keys, values]);
}
