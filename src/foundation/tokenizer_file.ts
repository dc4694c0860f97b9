import type { BytePairVocabulary } from "./bpe_trainer.ts";

/** Special tokens of the models trained here, in id order. */
export const SPECIAL_TOKENS = ["<pad>", "<bos>", "<eos>"] as const;

/**
 * The `tokenizer.json` of a byte-level BPE vocabulary: lower-cased, a leading space before the text, all 256 bytes
 * in the alphabet, so no text is ever unknown. Readable by @huggingface/tokenizers and by Python `transformers`.
 *
 * @param vocabulary tokens and merges
 * @returns the object to write as JSON
 */
export function tokenizerJson({ tokens, merges }: BytePairVocabulary): Record<string, unknown> {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: "Lowercase" },
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: bytePairModel(new Map(tokens.map((token, id) => [token, id])), merges),
  };
}

/**
 * The `model` part of a `tokenizer.json` with byte-pair encoding.
 *
 * @param vocab number of every token
 * @param merges pairs by falling priority
 * @param settings what differs from a plain byte-level model
 */
export function bytePairModel(
  vocab: ReadonlyMap<string, number>,
  merges: readonly (string | readonly string[])[],
  settings: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    ...settings,
    vocab: Object.fromEntries(vocab),
    merges,
  };
}

/**
 * The `tokenizer_config.json` beside it.
 *
 * @param maxPositions longest sequence of the model
 * @returns the object to write as JSON
 */
export function tokenizerConfigJson(maxPositions: number): Record<string, unknown> {
  const [pad, bos, eos] = SPECIAL_TOKENS;
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    pad_token: pad,
    bos_token: bos,
    eos_token: eos,
    unk_token: null,
    model_max_length: maxPositions,
    clean_up_tokenization_spaces: false,
  };
}
