/**
 * Images as a dataset: PNG, JPEG and NPY files that a table names, with patients and labels.
 *
 * {@link decodeImage} sees the kind by the first bytes, checks the size before any pixel is allocated and gives grey
 * values; {@link resize} brings them to one size by area means, with black bars, cut edges or another aspect ratio.
 * {@link importImages} writes one record per row of the table, as an {@link ImageMapping}
 * (`fedkim-import-images/1`) says. {@link decodeJpegSamples} and {@link jpegFrame} also serve DICOM.
 *
 * @module
 */
export { type Fit, type GreyImage, type ImageSize, luma, resize } from "./grey_image.ts";
export { decodePng } from "./png.ts";
export { type JpegFrame, jpegFrame } from "./jpeg_header.ts";
export { type DecodedSamples, decodeJpeg, decodeJpegSamples } from "./jpeg.ts";
export { decodeImage } from "./decode_image.ts";
export {
  type ImageImportOptions,
  type ImageMapping,
  imageSizeShape,
  importImages,
  parseImageMapping,
} from "./import_images.ts";
