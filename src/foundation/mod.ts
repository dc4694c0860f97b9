/**
 * The frozen foundation model: Llama-family decoders (Llama, Mistral, Qwen2, InternLM2) from Hugging Face folders.
 *
 * - {@link loadDecoder} and {@link loadTokenizer} read a folder; {@link loadDecoder} binds its weights to a hash.
 * - {@link decoderForward} runs on input embeddings, with adapters at every linear layer, padding masks, a
 *   key-value cache and a last-position shortcut; frozen weights cost no gradient.
 * - {@link generateGreedy} and {@link generateText} continue prompts, {@link scoreAnswers} compares given answers.
 * - {@link pretrainDecoder} trains the small model that ships in `models/fedkim-mini`.
 * - {@link verifyDecoder} compares this build with reference values.
 *
 * Nothing here knows about experts: that is the layer above.
 *
 * @module
 */
export { type Architecture, type DecoderConfig, parseDecoderConfig, type RopeScaling } from "./config.ts";
export { type Checkpoint, type Decoder, embedTokens, loadDecoder, openCheckpoint } from "./decoder.ts";
export { LINEAR_NAMES, linearModule, type LinearName, linearShapes } from "./tensor_names.ts";
export type { DecoderWeights, LayerWeights, Linear } from "./weights.ts";
export {
  decoderForward,
  type ForwardOptions,
  type ForwardResult,
  type KeyValues,
  type LinearAdapter,
  logitsOf,
} from "./forward.ts";
export { generateGreedy, type GenerateOptions, generateText } from "./generate.ts";
export { IGNORED_LABEL, tokenCrossEntropy } from "./loss.ts";
export { readPriorityTexts } from "./priority_texts.ts";
export { loadTokenizer, type TextTokenizer } from "./tokenizer.ts";
export {
  EMBEDDED_PRETRAIN,
  pretrainDecoder,
  type PretrainOptions,
  type PretrainProgress,
  type PretrainResult,
  type PretrainShape,
} from "./pretrain.ts";
export { maxRelativeError, type Verification, verifyDecoder } from "./verify_decoder.ts";
export { scoreAnswers } from "./answer_scoring.ts";
export { type CheckpointSummary, inspectCheckpoint } from "./inspect.ts";
export { rotaryFrequencies } from "./rope.ts";
export type { tf } from "../tensor/mod.ts";
export type { RotaryTable } from "../tensor/mod.ts";
export type { SafetensorsDtype, StoredTensor, TensorArchive } from "../formats/safetensors.ts";
export { EMBEDDED_MODEL_FOLDER, type EmbeddingTable, embeddingTable } from "./embedding_table.ts";
