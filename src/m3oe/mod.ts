/**
 * Knowledge injection: the adaptive multitask multimodal mixture of LoRA experts (M3OE) of FedKIM (Wang et al.,
 * EMNLP 2024), trained on public data beside a frozen decoder.
 *
 * - {@link trainInjection} trains projectors, gate and experts; the baselines `fedplug` and `fedplug_l` are the
 *   same code with parts left out.
 * - {@link InjectedModel} scores yes/no questions by constrained likelihood, answers open ones, reports routing.
 * - {@link gateWeights} is the gate, {@link expertAdapter} the adapted linear layer, {@link mergeExperts} the
 *   merge for one task; {@link exportPeftAdapter} writes that merge for Python's `peft`.
 * - {@link verifyM3oe} compares gate and experts, values and gradients, with reference values.
 *
 * Encoders are not known here: samples come with their tokens.
 *
 * @module
 */
export type { InjectionSample, ModalityTokens, TaskText } from "./samples.ts";
export {
  DEFAULT_INJECTION,
  type ExpertShape,
  expertShape,
  type InjectionConfig,
  type InjectionMethod,
  type PromptForm,
} from "./config.ts";
export { InjectedModel, type InjectionBase, type TrainableSummary } from "./injected_model.ts";
export { type InjectionProgress, trainInjection, type TrainInjectionOptions } from "./train.ts";
export type { RoutingReport, TaskRouting } from "./routing.ts";
export type { InjectionParameters, NamedVariable, Projector, TokenStatistics } from "./parameters.ts";
export type { EncodedSample } from "./encoded_sample.ts";
export type { Batch } from "./batches.ts";
export type { TokenNoise } from "./prompt.ts";
export { type EmbeddedText, type GateLinear, type GateWeights, gateWeights, initGate } from "./gate.ts";
export { expertAdapter, type ExpertLookup, type ExpertPair, expertScale } from "./experts.ts";
export { type MergedWeights, mergeExperts } from "./merge.ts";
export { loadInjection, saveInjection } from "./adapter_file.ts";
export { exportPeftAdapter } from "./peft_export.ts";
export { verifyM3oe } from "./verify_m3oe.ts";
export type {
  Architecture,
  Decoder,
  DecoderConfig,
  DecoderWeights,
  LayerWeights,
  Linear,
  LinearAdapter,
  LinearName,
  RopeScaling,
  TextTokenizer,
  Verification,
} from "../foundation/mod.ts";
export type { RandomSource, tf } from "../tensor/mod.ts";
