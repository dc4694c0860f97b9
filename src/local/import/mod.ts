/**
 * Hospital files as datasets in the format `fedkim-dataset/1`, and what is in such a folder.
 *
 * - {@link importDataset} runs whatever a mapping file describes: tables (CSV, gzip, Parquet), WFDB recordings,
 *   DICOM objects, images (PNG, JPEG, NPY) or FHIR R4 bundles. Each has its own folder and mapping.
 * - {@link inspectDataset} and {@link inspectParts} are `fedkim dataset inspect`.
 *
 * Sources are streamed or read under {@link ImportLimits}; sizes are checked before memory is taken, so neither a
 * zip bomb nor a header that promises terabytes exhausts it. A wrong value is refused with file, record and field,
 * or counted as missing where the mapping says so. A failed import leaves nothing behind. No value of a record is
 * ever part of a message. Nothing here touches the network.
 *
 * @module
 */
export { importDataset, type ImportRequest } from "./import_source.ts";
export { DEFAULT_IMPORT_LIMITS, type ImportLimits } from "./limits.ts";
export {
  type ImportReport,
  type ImportWarning,
  type ImportWarningCode,
  WarningList,
} from "./import_report.ts";
export type {
  ImageValue,
  Label,
  ModalityValue,
  SignalValue,
  TextValue,
  TimeseriesValue,
  VectorValue,
} from "../dataset.ts";
export type {
  DatasetManifest,
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
} from "../../formats/dataset_manifest.ts";
export { type Attribute, DatasetWriter, type ImportedRecord, writeDataset } from "./dataset_writer.ts";
export { type Pseudonym, pseudonymiser } from "./pseudonyms.ts";
export type { SetOptions, TaskText } from "./set_options.ts";
export type { Aggregate } from "./accumulator.ts";
export { unitConversion } from "./units.ts";
export { Resampler } from "./resample.ts";
export { type Recording, signalWindow, type WindowSpec } from "./signal_window.ts";
export {
  type ChannelInspection,
  type DatasetInspection,
  formatInspection,
  formatWarnings,
  inspectDataset,
  inspectParts,
  type ModalityInspection,
  type Part,
  partOf,
  type TaskInspection,
} from "./inspect/mod.ts";
export {
  type Cell,
  type ChannelSpec,
  type ColumnTask,
  importTables,
  type LabelTableSpec,
  type ModalityMapping,
  openCsv,
  openParquet,
  openTable,
  parseTableMapping,
  type TableFormat,
  type TableImportOptions,
  type TableMapping,
  type TableRow,
  type TableSource,
  type TableSpec,
  type TaskMapping,
  type TextMapping,
  type TimeseriesMapping,
  type TimeSpec,
  type VectorMapping,
} from "./tables/mod.ts";
export {
  importWfdb,
  parseWfdbAnnotations,
  parseWfdbHeader,
  parseWfdbMapping,
  type WfdbAnnotation,
  type WfdbHeader,
  type WfdbImportOptions,
  type WfdbMapping,
  WfdbSamples,
  type WfdbSignal,
  type WfdbTask,
} from "./wfdb/mod.ts";
export {
  decodeFrame,
  describePixels,
  type DicomImageModality,
  type DicomImportOptions,
  DicomItem,
  type DicomLabelKey,
  type DicomMapping,
  DicomObject,
  type DicomSignalModality,
  type DicomWaveform,
  importDicom,
  parseDicom,
  parseDicomMapping,
  type PixelDescription,
  readWaveform,
  renderFrame,
  type StoredFrame,
  type Window,
} from "./dicom/mod.ts";
export {
  decodeImage,
  type Fit,
  type GreyImage,
  type ImageImportOptions,
  type ImageMapping,
  type ImageSize,
  importImages,
  parseImageMapping,
  resize,
} from "./images/mod.ts";
export {
  type FhirChannel,
  type FhirImportOptions,
  type FhirLabel,
  type FhirMapping,
  type FhirModality,
  type FhirTask,
  type FhirText,
  type FhirTimeseries,
  type FhirVector,
  importFhir,
  parseFhirMapping,
} from "./fhir/mod.ts";
