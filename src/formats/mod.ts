/**
 * Files and values at the bottom of everything: NumPy arrays, safetensors, GGUF, dataset manifests, canonical JSON, durable
 * writes, hexadecimal, progress events, secret random bytes, and the one error type with its stable codes. Imports
 * nothing of ours. Other folders may import these files one by one; this page is for readers and library users.
 *
 * @module
 */
export { canonicalJson, sha256Hex } from "./canonical_json.ts";
export type { JsonValue } from "./canonical_json.ts";
export { parseDatasetManifest, parseFederationManifest } from "./dataset_manifest.ts";
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
} from "./dataset_manifest.ts";
export { writeDurable } from "./durable_file.ts";
export { ERROR_EXIT_STATUS, FedKimError } from "./errors.ts";
export type { ErrorCode, ErrorDetails } from "./errors.ts";
export { fileInfo } from "./file_info.ts";
export { missingPermission } from "./missing_permission.ts";
export { openGguf, readGgufTensor } from "./gguf.ts";
export type { GgmlType, GgufFile, GgufTensor } from "./gguf.ts";
export { fromHex, toHex } from "./hex.ts";
export { elements, parseNpyHeader, readNpy, writeNpy } from "./npy.ts";
export type { NpyArray, NpyContent, NpyDtype, NpyHeader } from "./npy.ts";
export type { OnProgress, ProgressEvent } from "./progress.ts";
export { cryptoRandomBytes } from "./random_bytes.ts";
export type { RandomBytes } from "./random_bytes.ts";
export {
  encodeSafetensors,
  openSafetensors,
  readFloats,
  readIntegers,
  writeSafetensors,
} from "./safetensors.ts";
export type { SafetensorsDtype, StoredTensor, TensorArchive, TensorToWrite } from "./safetensors.ts";
export { VERSION } from "./version.ts";
