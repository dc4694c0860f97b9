/**
 * DICOM objects as a dataset: images and waveforms such as 12-lead ECGs.
 *
 * {@link parseDicom} reads a file and repairs nothing. {@link decodeFrame} gives stored values (both byte orders,
 * RLE, JPEG with 8 and 12 bits, lossless, JPEG-LS, JPEG 2000), {@link renderFrame} the picture that a radiologist
 * would see: rescale, VOI LUT, window, MONOCHROME1, palette. {@link readWaveform} gives leads in physical units.
 * {@link importDicom} writes one record per object, as a {@link DicomMapping} (`fedkim-import-dicom/1`) says, and
 * warns of identifying tags and burned-in annotations. Source: the DICOM standard, parts 3, 5, 10 and 15.
 *
 * @module
 */
export {
  DicomItem,
  DicomObject,
  EXPLICIT_BIG_ENDIAN,
  looksLikeDicom,
  parseDicom,
  tagName,
} from "./dicom_object.ts";
export { decodeFrame, describePixels, type PixelDescription, type StoredFrame } from "./dicom_pixels.ts";
export { renderFrame, type Window } from "./dicom_display.ts";
export { type DicomWaveform, readWaveform } from "./dicom_waveform.ts";
export { IDENTIFYING_TAGS, warnOfIdentifiers } from "./dicom_identifiers.ts";
export {
  type DicomImageModality,
  type DicomImportOptions,
  type DicomLabelKey,
  type DicomMapping,
  type DicomSignalModality,
  importDicom,
  parseDicomMapping,
} from "./import_dicom.ts";
