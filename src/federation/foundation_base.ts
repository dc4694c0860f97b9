import {
  type Decoder,
  EMBEDDED_MODEL_FOLDER,
  type EmbeddingTable,
  embeddingTable,
  loadDecoder,
  loadTokenizer,
  type TextTokenizer,
} from "../foundation/mod.ts";
import type { TokenEmbedding } from "../local/mod.ts";
import { tokenEmbedding } from "./text_table.ts";

/** In a configuration: the language model that ships with this program, wherever its files lie. */
export const EMBEDDED_MODEL = "embedded";

/** The frozen foundation model as every stage uses it. */
export interface FoundationBase {
  /** Its Hugging Face folder. */
  readonly folder: string;
  /** The decoder. */
  readonly decoder: Decoder;
  /** Its tokenizer. */
  readonly tokenizer: TextTokenizer;
  /** Its embedding, on the host. */
  readonly table: EmbeddingTable;
  /** The same, as the sites' text encoder uses it. */
  readonly text: TokenEmbedding;
}

/**
 * Loads decoder, tokenizer and embedding.
 * @param model a Hugging Face folder, or {@link EMBEDDED_MODEL}
 * @throws FedKimError as `loadDecoder`
 */
export async function loadFoundation(model: string): Promise<FoundationBase> {
  const folder = model === EMBEDDED_MODEL ? EMBEDDED_MODEL_FOLDER : model;
  const decoder = await loadDecoder(folder);
  const tokenizer = await loadTokenizer(folder);
  const table = await embeddingTable(decoder);
  return {
    folder,
    decoder,
    tokenizer,
    table,
    text: tokenEmbedding(tokenizer, table.values, table.hiddenSize),
  };
}
