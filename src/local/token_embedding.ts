/**
 * The frozen token table that the text encoder reads. The caller supplies it (in a federation: the foundation
 * model's own embedding, whose hash the signed plan names), so this folder needs no language model.
 */
export interface TokenEmbedding {
  /** Width of an embedding. */
  readonly dimension: number;
  /**
   * Embeds a text.
   *
   * @param text any text
   * @returns row-major [tokens, dimension]; empty for a text without tokens
   */
  embed(text: string): Float32Array;
}
