/**
 * Knowledge injection: the adaptive multitask multimodal mixture of LoRA experts (M3OE) of FedKIM (Wang et al.,
 * EMNLP 2024), trained on public data beside a frozen decoder.
 *
 * - {@link trainInjection} trains projectors, gate and experts, resumable and exact under its seed; the baselines
 *   `fedplug` and `fedplug_l` are the same code with parts left out.
 * - {@link InjectedModel} scores yes/no questions by constrained likelihood, answers open ones, merges the experts
 *   of a task ({@link InjectedModel.merge}) and reports routing ({@link routingTable}, {@link routingHeatMap}).
 * - {@link gateWeights} is the gate, {@link expertAdapter} and {@link foldedAdapter} the adapted linear layer;
 *   {@link exportPeftAdapter} writes the merge of a task for Python's `peft`.
 * - {@link trainableTable} lists what is trained and what is frozen; {@link verifyM3oe} compares gate and experts,
 *   values and gradients, with reference values.
 *
 * Encoders are not known here: samples come with their tokens, or {@link TokenEncoder} makes them trainable too.
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
  TARGET_MODULES,
  type TargetModule,
} from "./config.ts";
export type { TaskMixing } from "./mixing.ts";
export { InjectedModel, type InjectionBase, type PassRandomness } from "./injected_model.ts";
export { type TrainableRow, trainableRows, type TrainableSummary, trainableTable } from "./trainable.ts";
export {
  type CheckpointOptions,
  type InjectionProgress,
  trainInjection,
  type TrainInjectionOptions,
} from "./train.ts";
export type { AttachedEncoder, HostTensor, TokenEncoder } from "./token_encoder.ts";
export type { RoutingReport, TaskRouting } from "./routing.ts";
export { routingTable } from "./routing_table.ts";
export { routingHeatMap } from "./routing_heat_map.ts";
export type {
  InjectionParameters,
  NamedVariable,
  Projector,
  TokenStatistics,
  TrainedPart,
} from "./parameters.ts";
export type { EncodedSample } from "./encoded_sample.ts";
export type { Batch } from "./batches.ts";
export { type EmbeddedText, type GateLinear, type GateWeights, gateWeights, initGate } from "./gate.ts";
export { loadImbalance, relativeEntropy } from "./gate_regularisation.ts";
export { expertAdapter, type ExpertLookup, type ExpertPair, expertScale } from "./experts.ts";
export { foldedAdapter } from "./folded_experts.ts";
export { type MergedDecoder, type MergedWeights, mergeExperts } from "./merge.ts";
export {
  loadInjection,
  type LoadInjectionOptions,
  readEncoderWeights,
  saveInjection,
} from "./adapter_file.ts";
export { exportPeftAdapter } from "./peft_export.ts";
export { verifyM3oe } from "./verify_m3oe.ts";
export type {
  AdapterRebinding,
  Architecture,
  Decoder,
  DecoderConfig,
  DecoderWeights,
  LayerWeights,
  Linear,
  LinearAdapter,
  LinearName,
  LinearWeight,
  PackedMatrix,
  PackedPart,
  RopeScaling,
  TextTokenizer,
  TokenTable,
  Verification,
  WeightForm,
} from "../foundation/mod.ts";
export type { RandomSource, tf } from "../tensor/mod.ts";
export type { SeededRandom } from "../tensor/seeded_random.ts";
