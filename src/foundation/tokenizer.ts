import { Tokenizer } from "@huggingface/tokenizers";
import type { DecoderConfig } from "./config.ts";
import { FedKimError } from "../formats/errors.ts";
import { isGguf } from "./checkpoint.ts";
import { ggufTokenizer, type TokenizerFiles } from "./gguf_tokenizer.ts";
import { readJsonFile } from "./_json_file.ts";

/** Text to token ids and back, as a checkpoint's `tokenizer.json` defines it. */
export interface TextTokenizer {
  /** Token ids of a text, without special tokens around it. */
  encode(text: string): number[];
  /** Text of token ids; special tokens are left out. */
  decode(ids: readonly number[]): string;
  /** Id of a token by its exact spelling in the vocabulary. */
  tokenId(token: string): number | undefined;
  /** Ids of the vocabulary, special tokens added to it not counted: the largest is smaller than this. */
  readonly vocabSize: number;
  /** Id that starts a sequence, where the tokenizer names one. */
  readonly bosId: number | undefined;
  /** Id that ends a sequence, where the tokenizer names one. */
  readonly eosId: number | undefined;
  /** The Jinja text of the model's chat template, where its settings have one. */
  readonly chatTemplate: string | undefined;
}

/**
 * Reads `tokenizer.json` and, where present, `tokenizer_config.json`; or the tokenizer inside a `.gguf` file.
 *
 * @param folder a Hugging Face model folder, or a `.gguf` file
 * @returns the tokenizer
 * @throws FedKimError `FormatError` when a file is missing or malformed
 */
export async function loadTokenizer(folder: string): Promise<TextTokenizer> {
  const { definition, settings } = await tokenizerFiles(folder);
  let tokenizer: Tokenizer;
  try {
    refuseWildIds(definition);
    tokenizer = new Tokenizer(definition, settings);
    if (![...tokenizer.get_vocab(false).values()].every((id) => Number.isInteger(id))) {
      throw new RangeError("a vocabulary that does not number its tokens");
    }
  } catch (cause) {
    throw new FedKimError("FormatError", `The tokenizer of ${folder} is malformed.`, {
      found: cause instanceof Error ? cause.message : String(cause),
      needed: "a Hugging Face tokenizers file",
      cause,
    });
  }
  return wrapTokenizer(tokenizer, settings);
}

/** Ids may have gaps, but so few tokens cannot need larger ones: the library makes a list as long as the largest id. */
const SPARSEST = 16;

/**
 * Refuses ids that are no indices, or so large that a small file would take all memory and hours.
 * @throws RangeError which says what was found
 */
function refuseWildIds(definition: Readonly<Record<string, unknown>>): void {
  const { model, added_tokens: added } = definition as {
    model?: { vocab?: unknown } | null;
    added_tokens?: unknown;
  };
  const vocab = model?.vocab;
  if (typeof vocab !== "object" || vocab === null) throw new RangeError("a model without a vocabulary");
  const listed: unknown[] = Array.isArray(added) ? added.map((token) => token?.id) : [];
  const own: unknown[] = Array.isArray(vocab) ? [] : Object.values(vocab);
  const entries = listed.length + (Array.isArray(vocab) ? vocab.length : own.length);
  const bound = 1024 + SPARSEST * entries;
  for (const id of [...own, ...listed]) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= bound) {
      throw new RangeError(`a token with an id that is no number from 0 to ${bound - 1}`);
    }
  }
}

/**
 * Checks that a tokenizer can belong to a decoder: every id of its vocabulary has a row of the embedding.
 *
 * @param tokenizer the tokenizer
 * @param config the decoder
 * @param folder where both are from, for the message
 * @throws FedKimError `ModelError` when it makes ids that the decoder does not have
 */
export function checkTokenizer(tokenizer: TextTokenizer, config: DecoderConfig, folder: string): void {
  if (tokenizer.vocabSize <= config.vocabSize) return;
  throw new FedKimError("ModelError", `The tokenizer of ${folder} belongs to another model.`, {
    found: `a vocabulary of ${tokenizer.vocabSize} tokens, an embedding of ${config.vocabSize} rows`,
    needed: "a row for every token",
    remedy: "copy config.json, the weights and tokenizer.json from the same model",
  });
}

/**
 * A tokenizer's files as JSON; of a `.gguf` file, what they would be.
 *
 * @param path a Hugging Face model folder, or a `.gguf` file
 * @returns both files; empty settings where there are none
 * @throws FedKimError `FormatError` when a file is missing or malformed
 */
export async function tokenizerFiles(path: string): Promise<TokenizerFiles> {
  if (isGguf(path)) return await ggufTokenizer(path);
  return {
    definition: await readJsonFile(`${path}/tokenizer.json`),
    settings: await readJsonFile(`${path}/tokenizer_config.json`, {}),
  };
}

function wrapTokenizer(tokenizer: Tokenizer, settings: Record<string, unknown>): TextTokenizer {
  const special = (field: string): number | undefined => {
    const entry = settings[field];
    const token = typeof entry === "object" && entry !== null
      ? (entry as { content?: unknown }).content
      : entry;
    return typeof token === "string" ? tokenizer.token_to_id(token) : undefined;
  };
  return {
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    decode: (ids) => ids.length === 0 ? "" : tokenizer.decode([...ids], { skip_special_tokens: true }),
    tokenId: (token) => tokenizer.token_to_id(token),
    vocabSize: [...tokenizer.get_vocab(false).values()].reduce((size, id) => Math.max(size, id + 1), 0),
    bosId: special("bos_token"),
    eosId: special("eos_token"),
    chatTemplate: typeof settings.chat_template === "string" ? settings.chat_template : undefined,
  };
}
