/**
 * The frozen foundation model: Llama-family decoders (Llama, Mistral, Qwen2, InternLM2) from Hugging Face folders and
 * GGUF files.
 *
 * - {@link loadDecoder} and {@link loadTokenizer} read a folder; {@link loadDecoder} binds its weights to a hash.
 * - {@link decoderForward} runs on input embeddings, with adapters at every linear layer, padding masks, a
 *   key-value cache and a last-position shortcut; frozen weights cost no gradient.
 * - {@link generateTokens} and {@link generateTexts} continue prompts, greedily or by seeded sampling;
 *   {@link PROMPT_TEMPLATES} says how prompts are written; {@link scoreAnswers} compares given answers.
 * - {@link scoreTexts} compares generated answers with references (BLEU-1, ROUGE, METEOR).
 * - {@link pretrainDecoder} trains a small model; `tools/medlm` has trained the one in `models/medlm-tiny`.
 * - {@link verifyDecoder} compares this build with reference values.
 *
 * Nothing here knows about experts: that is the layer above.
 *
 * @module
 */
export { type Architecture, type DecoderConfig, parseDecoderConfig, type RopeScaling } from "./config.ts";
export { type Decoder, embedTokens, loadDecoder, type LoadOptions } from "./decoder.ts";
export {
  type Checkpoint,
  type CheckpointTensor,
  type CheckpointTensors,
  isGguf,
  openCheckpoint,
} from "./checkpoint.ts";
export { LINEAR_NAMES, linearModule, type LinearName, linearShapes } from "./tensor_names.ts";
export type { DecoderWeights, LayerWeights, Linear } from "./weights.ts";
export {
  type AdapterRebinding,
  decoderForward,
  type ForwardOptions,
  type ForwardResult,
  type KeyValues,
  type LinearAdapter,
  logitsOf,
} from "./forward.ts";
export {
  generateGreedy,
  type GenerateOptions,
  generateText,
  type GenerateTextOptions,
  generateTexts,
  type GenerateTokenOptions,
  generateTokens,
} from "./generate.ts";
export type { Sampling } from "./sampling.ts";
export {
  detectTemplate,
  formatPrompt,
  PROMPT_TEMPLATES,
  promptParts,
  type PromptTemplate,
  type PromptTemplateName,
  type PromptTurn,
} from "./prompt_template.ts";
export { IGNORED_LABEL, tokenCrossEntropy } from "./loss.ts";
export { readPriorityTexts } from "./priority_texts.ts";
export { checkTokenizer, loadTokenizer, type TextTokenizer, tokenizerFiles } from "./tokenizer.ts";
export type { TokenizerFiles } from "./gguf_tokenizer.ts";
export {
  DEFAULT_PRETRAIN,
  pretrainDecoder,
  type PretrainOptions,
  type PretrainProgress,
  type PretrainResult,
  type PretrainShape,
} from "./pretrain.ts";
export { maxRelativeError, type Verification, verifyDecoder } from "./verify_decoder.ts";
export { scoreAnswers } from "./answer_scoring.ts";
export { type CheckpointSummary, inspectCheckpoint } from "./inspect.ts";
export { bleu1, meteor, metricWords, rouge1, rougeL, scoreTexts, type TextScores } from "./text_metrics.ts";
export { rotaryFrequencies } from "./rope.ts";
export type { LinearWeight, PackedMatrix, PackedPart, tf, TokenTable, WeightForm } from "../tensor/mod.ts";
export type { RotaryTable } from "../tensor/mod.ts";
export type { SafetensorsDtype, StoredTensor, TensorArchive } from "../formats/safetensors.ts";
export { EMBEDDED_MODEL_FOLDER, type EmbeddingTable, embeddingTable } from "./embedding_table.ts";
export {
  checkMemory,
  type DecoderUse,
  describeMemory,
  type MemoryPlan,
  type MemoryRequest,
  planMemory,
} from "./memory_plan.ts";
export type { BackendName, DeviceMemory } from "../tensor/mod.ts";
