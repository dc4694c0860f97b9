/**
 * Local models: what a hospital computes on its own records, and what the server pre-trains on public ones.
 *
 * - {@link loadFederationPart} reads folders in the format `fedkim-dataset/1`, one set per patient.
 * - {@link createSpec} defines one encoder per modality and one head per task; {@link pretrainOnPublic} gives
 *   it numbers. An encoder is a frozen stem, fitted on public data, and a small federated upper layer.
 * - {@link prepareFeatures} runs the stems once; {@link clippedGradientSum} is one DP step over units.
 * - {@link encodeRecords} gives the tokens for the foundation model, {@link taskScores} and
 *   {@link evaluateLocal} the local heads' answers and their figures.
 *
 * Nothing here adds noise, masks or sends: that is the work of `dp`, `secure_agg` and `federation`.
 *
 * @module
 */
export {
  type Dataset,
  type DatasetRecord,
  type ImageValue,
  type Label,
  type ModalityValue,
  type SignalValue,
  taskByName,
  type TextValue,
  type TimeseriesValue,
  unitOf,
  type VectorValue,
} from "./dataset.ts";
export {
  type FederationFolders,
  loadDataset,
  readDatasetManifest,
  readFederation,
  readRecords,
} from "./dataset_reader.ts";
export {
  composeSite,
  describeSite,
  loadFederationPart,
  type SetDescription,
  type SiteData,
  type SiteSet,
  type TaskDescription,
} from "./site_data.ts";
export type {
  DatasetManifest,
  FederationManifest,
  ImageModality,
  ModalityKind,
  ModalityManifest,
  PrivacyUnitName,
  SignalModality,
  TaskManifest,
  TaskType,
  TextModality,
  TimeseriesModality,
  VectorModality,
} from "../formats/dataset_manifest.ts";
export type { TokenEmbedding } from "./token_embedding.ts";
export type { ViewSpec } from "./front_end.ts";
export {
  type AttentionOptions,
  createSpec,
  DEFAULT_ATTENTION,
  DEFAULT_MODEL_OPTIONS,
  type EncoderSpec,
  type HeadSpec,
  type LocalModelOptions,
  type LocalModelSpec,
  type ParameterSpec,
} from "./spec.ts";
export {
  checkWeights,
  type FederatedParameter,
  type FederatedParameters,
  federatedParameters,
  flatten,
  type HostTensor,
  type LocalWeights,
  unflatten,
} from "./weights.ts";
export {
  DEFAULT_PRETRAINING,
  pretrainOnPublic,
  type PretrainOptions,
  trainWithoutPrivacy,
} from "./pretrain.ts";
export {
  DEFAULT_LOCAL_TRAINING,
  DEFAULT_TRAINING,
  defaultClip,
  type LocalTrainingDefaults,
  type PrivateTrainingDefaults,
} from "./defaults.ts";
export {
  prepareFeatures,
  type SetFeatures,
  type SiteFeatures,
  type StemTokens,
  type TaskLabels,
  units,
} from "./features.ts";
export {
  type ClippedGradientSum,
  clippedGradientSum,
  engineFor,
  type EngineName,
  type GradientSumOptions,
  MICROBATCH_ROWS,
  perUnitGradients,
  type Range,
  type UnitGradientSink,
} from "./clipped_gradient.ts";
export { type LearningRateSchedule, type LocalOptimizer } from "./optimizer.ts";
export {
  type LocalPrivacy,
  localTrainingEvent,
  type LocalTrainingOptions,
  type LocalTrainingProgress,
  type LocalUpdate,
  type NoiseSampler,
  trainLocalPrivately,
} from "./local_training.ts";
export { type LocalTrainingState, readTrainingState, writeTrainingState } from "./training_state.ts";
export {
  binaryMetrics,
  type EncodedModality,
  encodeRecords,
  evaluateLocal,
  type TaskMetrics,
  type TaskScores,
  taskScores,
} from "./scores.ts";
export { accuracy, auprc, auroc, brier, f1, type ScoredLabels } from "./metrics.ts";
export { parseLocalModelSpec } from "./spec_check.ts";
