/**
 * Recordings in the format of PhysioNet's WFDB library as a dataset of windows.
 *
 * {@link parseWfdbHeader} reads `.hea` files, {@link WfdbSamples} any stretch of a signal in format 16 or 212 after
 * checking its file's size and checksum, {@link parseWfdbAnnotations} beats and rhythms. {@link importWfdb} cuts
 * windows, resamples them without aliasing and derives labels from the annotations, as a
 * {@link WfdbMapping} (`fedkim-import-wfdb/1`) says. Recordings are never held in memory whole.
 * Source of the formats: WFDB Applications Guide, header(5), signal(5), annot(5).
 *
 * @module
 */
export { parseWfdbHeader, type WfdbHeader, type WfdbSignal } from "./wfdb_header.ts";
export { WfdbSamples } from "./wfdb_samples.ts";
export { BEAT_SYMBOLS, parseWfdbAnnotations, type WfdbAnnotation } from "./wfdb_annotations.ts";
export {
  importWfdb,
  parseWfdbMapping,
  type WfdbImportOptions,
  type WfdbMapping,
  type WfdbTask,
} from "./import_wfdb.ts";
