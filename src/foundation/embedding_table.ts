import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { readTable } from "../tensor/mod.ts";
import type { Decoder } from "./decoder.ts";

/** Folder of the small language model that ships with FedKIM. */
export const EMBEDDED_MODEL_FOLDER: string = fileURLToPath(
  new URL("../../models/medlm-tiny", import.meta.url),
);

/** A model's token embedding on the host, as it travels to sites. */
export interface EmbeddingTable {
  /** Rows. */
  readonly vocabSize: number;
  /** Columns. */
  readonly hiddenSize: number;
  /** Row-major values `[vocabSize, hiddenSize]`. */
  readonly values: Float32Array;
  /** SHA-256 of the little-endian float32 values, hex. */
  readonly sha256: string;
}

/**
 * Copies a decoder's token embedding to the host.
 *
 * @param decoder the decoder
 * @returns the table with its hash
 */
export async function embeddingTable(decoder: Decoder): Promise<EmbeddingTable> {
  const values = await readTable(decoder.weights.embedding);
  const sha256 = createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
  const { vocabSize, hiddenSize } = decoder.config;
  return { vocabSize, hiddenSize, values, sha256 };
}
