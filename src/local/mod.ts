/**
 * Local models: what a hospital computes on its own records, and what the server pre-trains on public ones.
 *
 * - {@link loadFederationPart} reads folders in the format `fedkim-dataset/1`, one set per patient;
 *   {@link indexFederationPart} and {@link StoredFeatures} do the same for more records than fit into memory.
 * - {@link createSpec} defines one encoder per modality (whitened components, or attention over patches) and
 *   one head per task; {@link describeSpec} shows which layers are federated; {@link pretrainOnPublic} gives
 *   it numbers.
 * - {@link prepareFeatures} runs the frozen part once; {@link clippedGradientSum} is one DP step over units,
 *   in float64 on the host or by ghost norms on the backend; {@link trainLocalPrivately} is a site's own
 *   DP-SGD.
 * - {@link encodeRecords} gives the tokens for the foundation model, {@link taskScores},
 *   {@link evaluateLocal} and {@link evaluateParts} the local heads' answers and their figures.
 *
 * Noise comes from the caller; nothing here masks or sends: that is the work of `secure_agg` and
 * `federation`.
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
export {
  dataIdentity,
  type IndexedSet,
  indexFederationPart,
  recordsInUse,
  requireSameData,
  type SiteIndex,
  unitsOfPatients,
  WITHHELD,
} from "./site_index.ts";
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
export type { RandomBytes } from "../formats/random_bytes.ts";
export type { DpEvent } from "../dp/mod.ts";
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
  MAX_ATTENTION_BLOCKS,
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
  type FeatureColumns,
  prepareFeatures,
  type SetFeatures,
  type SetRows,
  type SiteFeatures,
  type StemTokens,
  type TaskLabels,
} from "./features.ts";
export { sampleUnits, type TrainingFeatures, type TrainingSet, units } from "./training_set.ts";
export { StoredFeatures, StoredSet } from "./stored_features.ts";
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
export { type LearningRateSchedule, type LocalOptimizer, scheduleShare } from "./optimizer.ts";
export {
  type LocalPrivacy,
  localTrainingEvent,
  type LocalTrainingOptions,
  type LocalTrainingProgress,
  type LocalUpdate,
  type NoisyRelease,
  trainLocalPrivately,
} from "./local_training.ts";
export { type LocalTrainingState, readTrainingState, writeTrainingState } from "./training_state.ts";
export {
  binaryMetrics,
  decodeAnswers,
  type EncodedModality,
  encodeRecords,
  evaluateLocal,
  type TaskMetrics,
  type TaskScores,
  taskScores,
} from "./scores.ts";
export { encodeStem, federatedEncoderWeights, stemInput, stemInputWidth } from "./stem_tokens.ts";
export { accuracy, auprc, auroc, brier, f1, type ScoredLabels } from "./metrics.ts";
export { parseLocalModelSpec } from "./spec_check.ts";
export { calibrationError, reliability, type ReliabilityBin } from "./calibration.ts";
export { type Figure, figuresOf, type Judged } from "./figures.ts";
export { bootstrap, type BootstrapOptions, DEFAULT_BOOTSTRAP, type Estimate } from "./bootstrap.ts";
export { evaluateParts, type Evaluation, type TaskEvaluation } from "./evaluation.ts";
export { describeSpec, type LayerDescription, type SpecDescription, specTable } from "./describe_spec.ts";
