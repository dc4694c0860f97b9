import { readNpy } from "../../../formats/npy.ts";
import { type ImportLimits, importLimits } from "../limits.ts";
import { badFile } from "../source_errors.ts";
import { type GreyImage, luma } from "./grey_image.ts";
import { decodeJpeg } from "./jpeg.ts";
import { decodePng } from "./png.ts";

/**
 * Decodes a PNG, JPEG or NPY image (uint8 [height, width] or [height, width, 3]) to grey; the kind is seen by its
 * first bytes.
 *
 * @param bytes the file
 * @param file its name, for messages
 * @param limits bounds
 * @throws FedKimError `FormatError` when it is none of them, damaged or too large
 */
export async function decodeImage(
  bytes: Uint8Array<ArrayBuffer>,
  file: string,
  limits: Partial<ImportLimits> = {},
): Promise<GreyImage> {
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return await decodePng(bytes, file, limits);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return await decodeJpeg(bytes, file, limits);
  if (bytes[0] === 0x93 && bytes[1] === 0x4e) return decodeNpyImage(bytes, file, limits);
  throw badFile(file, "an image", "another kind of file", "PNG, JPEG or NPY");
}

function decodeNpyImage(bytes: Uint8Array, file: string, limits: Partial<ImportLimits>): GreyImage {
  const { shape, data } = readNpy(bytes, file);
  const [height, width, channels = 1] = shape;
  const wanted = data instanceof Uint8Array && (shape.length === 2 || (shape.length === 3 && channels === 3));
  if (!wanted || data.length < 1 || data.length > importLimits(limits).pixels) {
    throw badFile(
      file,
      "an image",
      `an array [${shape.join(", ")}]`,
      "uint8 [height, width] or [height, width, 3]",
    );
  }
  return { height, width, data: luma(data, channels, 255) };
}
