import { FedKimError } from "../formats/errors.ts";
import { openGguf } from "../formats/gguf.ts";
import { GgufMetadata } from "./_gguf_metadata.ts";
import { bytePairModel } from "./tokenizer_file.ts";

/** A tokenizer in the form of Hugging Face's two files. */
export interface TokenizerFiles {
  /** As `tokenizer.json`. */
  readonly definition: Record<string, unknown>;
  /** As `tokenizer_config.json`. */
  readonly settings: Record<string, unknown>;
}

/** Token types of the file (llama.h, `enum llama_token_type`). */
const CONTROL = 3;
const USER_DEFINED = 4;

const BYTE_LEVEL = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };

/** Splits words as Qwen2 does; `digits` is the pattern of numbers, the one difference to Llama 3. */
function wordSplit(digits: string): Record<string, unknown> {
  const regex = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}` +
    `| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
  return {
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false },
      { ...BYTE_LEVEL, use_regex: false },
    ],
  };
}

/** Pre-tokenizers by `tokenizer.ggml.pre`. */
const PRE_TOKENIZERS: Readonly<Record<string, Record<string, unknown>>> = {
  "gpt-2": { ...BYTE_LEVEL, use_regex: true },
  smollm: {
    type: "Sequence",
    pretokenizers: [{ type: "Digits", individual_digits: true }, { ...BYTE_LEVEL, use_regex: true }],
  },
  qwen2: wordSplit("\\p{N}"),
  "llama-bpe": wordSplit("\\p{N}{1,3}"),
};

/**
 * Rebuilds the tokenizer of a GGUF file: byte-level BPE (`gpt2`), or SentencePiece BPE (`llama`) with merges ordered
 * by the pieces' scores.
 *
 * @param path the file
 * @returns what Hugging Face's tokenizer files would hold
 * @throws FedKimError `FormatError` for missing metadata, `ModelError` for a tokenizer that is not supported
 */
export async function ggufTokenizer(path: string): Promise<TokenizerFiles> {
  const metadata = new GgufMetadata(await openGguf(path));
  const tokens = metadata.texts("tokenizer.ggml.tokens");
  const types = metadata.numbers("tokenizer.ggml.token_type");
  const model = metadata.text("tokenizer.ggml.model");
  const vocab = new Map(tokens.map((token, id) => [token, id]));
  const parts = model === "gpt2"
    ? byteLevelParts(path, metadata, vocab)
    : model === "llama"
    ? sentencePieceParts(metadata, vocab, tokens)
    : refuse(path, `a tokenizer of type ${model}`, "gpt2 or llama");
  const added = tokens.flatMap((content, id) =>
    types[id] === CONTROL || types[id] === USER_DEFINED
      ? [{ id, content, special: types[id] === CONTROL, ...UNCHANGED }]
      : []
  );
  const named = (name: string): string | null =>
    tokens[metadata.optionalNumber(`tokenizer.ggml.${name}_token_id`) ?? -1] ?? null;
  return {
    definition: { version: "1.0", truncation: null, padding: null, added_tokens: added, ...parts },
    settings: {
      bos_token: metadata.startsWithBos() ? named("bos") : null,
      eos_token: named("eos"),
      pad_token: named("padding"),
      clean_up_tokenization_spaces: false,
      ...chatTemplate(metadata),
    },
  };
}

const UNCHANGED = { single_word: false, lstrip: false, rstrip: false, normalized: false };

type TokenizerParts = Record<
  "normalizer" | "pre_tokenizer" | "post_processor" | "decoder" | "model",
  unknown
>;

function byteLevelParts(
  path: string,
  metadata: GgufMetadata,
  vocab: ReadonlyMap<string, number>,
): TokenizerParts {
  const pre = metadata.optionalText("tokenizer.ggml.pre") ?? "gpt-2";
  const preTokenizer = PRE_TOKENIZERS[pre] ??
    refuse(path, `the pre-tokenizer ${pre}`, Object.keys(PRE_TOKENIZERS).join(", "));
  const merges = metadata.texts("tokenizer.ggml.merges").map((merge) => merge.split(" "));
  return {
    normalizer: pre === "qwen2" ? { type: "NFC" } : null,
    pre_tokenizer: preTokenizer,
    post_processor: null,
    decoder: { ...BYTE_LEVEL, use_regex: true },
    model: bytePairModel(vocab, merges, { ignore_merges: pre === "llama-bpe" }),
  };
}

function sentencePieceParts(
  metadata: GgufMetadata,
  vocab: ReadonlyMap<string, number>,
  tokens: readonly string[],
): TokenizerParts {
  const scores = metadata.numbers("tokenizer.ggml.scores");
  const unknown = tokens[metadata.optionalNumber("tokenizer.ggml.unknown_token_id") ?? 0];
  return {
    normalizer: {
      type: "Sequence",
      normalizers: [{ type: "Prepend", prepend: "▁" }, {
        type: "Replace",
        pattern: { String: " " },
        content: "▁",
      }],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: bytePairModel(vocab, mergesByScore(vocab, tokens, scores), {
      unk_token: unknown,
      byte_fallback: true,
      fuse_unk: true,
    }),
  };
}

/** Every way to make a piece of two pieces, best scores first: the merges that SentencePiece would try. */
function mergesByScore(
  vocab: ReadonlyMap<string, number>,
  tokens: readonly string[],
  scores: readonly number[],
): string[][] {
  const merges: { pair: [string, string]; score: number }[] = [];
  tokens.forEach((token, id) => {
    const letters = [...token];
    for (let at = 1; at < letters.length; at++) {
      const pair: [string, string] = [letters.slice(0, at).join(""), letters.slice(at).join("")];
      if (pair.every((part) => vocab.has(part))) merges.push({ pair, score: scores[id] });
    }
  });
  return merges.sort((a, b) => b.score - a.score).map(({ pair }) => pair);
}

function chatTemplate(metadata: GgufMetadata): Record<string, string> {
  const template = metadata.optionalText("tokenizer.chat_template");
  return template === undefined ? {} : { chat_template: template };
}

function refuse(path: string, found: string, needed: string): never {
  throw new FedKimError("ModelError", `The tokenizer of the GGUF file ${path} is not supported.`, {
    found,
    needed,
    remedy: "use the model as a Hugging Face folder with its tokenizer.json",
  });
}
