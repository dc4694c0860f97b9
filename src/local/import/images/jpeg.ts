import { FedKimError } from "../../../formats/errors.ts";
import { type ImportLimits, importLimits } from "../limits.ts";
import { badFile, causeText } from "../source_errors.ts";
import { WasmCodec } from "../wasm_codec.ts";
import { type GreyImage, luma } from "./grey_image.ts";
import { jpegFrame } from "./jpeg_header.ts";

/** Samples of a decoded image, interleaved by pixel. */
export interface DecodedSamples {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** Samples per pixel; colour is RGB. */
  readonly channels: number;
  /** Samples. */
  readonly data: Uint8Array | Uint16Array;
}

/** What the wasm build of libjpeg-turbo offers. */
interface TurboDecoder {
  getEncodedBuffer(length: number): Uint8Array;
  getDecodedBuffer(): Uint8Array;
  decode(): void;
  getFrameInfo(): { readonly width: number; readonly height: number; readonly componentCount: number };
  delete(): void;
}

const turbo = new WasmCodec<{ JPEGDecoder: new () => TurboDecoder }>(async (output) => {
  const { default: load } = await import("@cornerstonejs/codec-libjpeg-turbo-8bit/decode");
  return await load(output);
});

/**
 * Decodes an 8-bit JPEG stream (baseline, extended or progressive) with libjpeg-turbo.
 *
 * @param bytes the stream
 * @param file its name, for messages
 * @param limits bounds
 * @throws FedKimError `FormatError` when it is damaged, of another process or too large
 */
export async function decodeJpegSamples(
  bytes: Uint8Array,
  file: string,
  limits: Partial<ImportLimits> = {},
): Promise<DecodedSamples> {
  const { pixels } = importLimits(limits);
  const frame = jpegFrame(bytes, file);
  if (frame.process > 0xc2 || frame.precision !== 8 || frame.components === 4) {
    throw badFile(
      file,
      "JPEG",
      `process ${frame.process.toString(16)}, ${frame.precision} bits, ${frame.components} components`,
      "8-bit DCT JPEG, grey or colour",
    );
  }
  const values = frame.width * frame.height * frame.components;
  if (values < 1 || values > pixels) {
    throw badFile(file, "JPEG", `${frame.width} x ${frame.height} pixels`, `1 to ${pixels} values`);
  }
  if (!bytes.subarray(-64).some((byte, index, tail) => byte === 0xff && tail[index + 1] === 0xd9)) {
    throw badFile(file, "JPEG", "no end of image", "a complete file");
  }
  try {
    return await turbo.run(({ JPEGDecoder }) => {
      const decoder = new JPEGDecoder();
      try {
        decoder.getEncodedBuffer(bytes.length).set(bytes);
        decoder.decode();
        const { width, height, componentCount: channels } = decoder.getFrameInfo();
        const data = decoder.getDecodedBuffer().slice();
        if (width !== frame.width || height !== frame.height || data.length !== width * height * channels) {
          throw badFile(file, "JPEG", "fewer pixels than the header says");
        }
        return { height, width, channels, data };
      } finally {
        decoder.delete();
      }
    });
  } catch (cause) {
    throw cause instanceof FedKimError ? cause : badFile(file, "JPEG", causeText(cause), undefined, cause);
  }
}

/**
 * Decodes a JPEG image to grey.
 *
 * @param bytes the file
 * @param file its name, for messages
 * @param limits bounds
 * @throws FedKimError `FormatError` when it is damaged or too large
 */
export async function decodeJpeg(
  bytes: Uint8Array,
  file: string,
  limits: Partial<ImportLimits> = {},
): Promise<GreyImage> {
  const { height, width, channels, data } = await decodeJpegSamples(bytes, file, limits);
  return { height, width, data: luma(data, channels, 255) };
}
