import { createHash } from "node:crypto";
import { openCheckpoint } from "./decoder.ts";
import { readEmbedding } from "./weights.ts";

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
 * Reads the token embedding of a checkpoint; no other weight is read.
 *
 * @param folder a Hugging Face model folder
 * @returns the table
 * @throws FedKimError `FormatError` or `ModelError` for a folder that cannot be used
 */
export async function readEmbeddingTable(folder: string): Promise<EmbeddingTable> {
  const { config, archive } = await openCheckpoint(folder);
  const values = await readEmbedding(archive, config);
  const sha256 = createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
  return { vocabSize: config.vocabSize, hiddenSize: config.hiddenSize, values, sha256 };
}
