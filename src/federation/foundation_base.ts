import {
  type Decoder,
  type EmbeddingTable,
  embeddingTable,
  loadDecoder,
  loadTokenizer,
  type TextTokenizer,
} from "../foundation/mod.ts";
import type { TokenEmbedding } from "../local/mod.ts";
import { tokenEmbedding } from "./text_table.ts";

/** The frozen foundation model as every stage uses it. */
export interface FoundationBase {
  /** The decoder. */
  readonly decoder: Decoder;
  /** Its tokenizer. */
  readonly tokenizer: TextTokenizer;
  /** Its embedding, on the host. */
  readonly table: EmbeddingTable;
  /** The same, as the sites' text encoder uses it. */
  readonly text: TokenEmbedding;
}

/** Loads decoder, tokenizer and embedding of a Hugging Face folder. @throws FedKimError as `loadDecoder` */
export async function loadFoundation(folder: string): Promise<FoundationBase> {
  const decoder = await loadDecoder(folder);
  const tokenizer = await loadTokenizer(folder);
  const table = await embeddingTable(decoder);
  return { decoder, tokenizer, table, text: tokenEmbedding(tokenizer, table.values, table.hiddenSize) };
}
