import { Tokenizer } from "@huggingface/tokenizers";
import { FedKimError } from "../formats/errors.ts";
import { readJsonFile } from "./_json_file.ts";

/** Text to token ids and back, as a checkpoint's `tokenizer.json` defines it. */
export interface TextTokenizer {
  /** Token ids of a text, without special tokens around it. */
  encode(text: string): number[];
  /** Text of token ids; special tokens are left out. */
  decode(ids: readonly number[]): string;
  /** Id of a token by its exact spelling in the vocabulary. */
  tokenId(token: string): number | undefined;
  /** Id that starts a sequence, where the tokenizer names one. */
  readonly bosId: number | undefined;
  /** Id that ends a sequence, where the tokenizer names one. */
  readonly eosId: number | undefined;
}

/**
 * Reads `tokenizer.json` and, where present, `tokenizer_config.json`.
 *
 * @param folder a Hugging Face model folder
 * @returns the tokenizer
 * @throws FedKimError `FormatError` when a file is missing or malformed
 */
export async function loadTokenizer(folder: string): Promise<TextTokenizer> {
  const definition = await readJsonFile(`${folder}/tokenizer.json`);
  const settings = await readJsonFile(`${folder}/tokenizer_config.json`, {});
  let tokenizer: Tokenizer;
  try {
    tokenizer = new Tokenizer(definition, settings);
  } catch (cause) {
    throw new FedKimError("FormatError", `The tokenizer ${folder}/tokenizer.json is malformed.`, {
      found: cause instanceof Error ? cause.message : String(cause),
      needed: "a Hugging Face tokenizers file",
      cause,
    });
  }
  return wrapTokenizer(tokenizer, settings);
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
    bosId: special("bos_token"),
    eosId: special("eos_token"),
  };
}
