import { type ImportLimits, importLimits } from "../limits.ts";
import { type DecodedSamples, decodeJpegSamples, jpegFrame } from "../images/mod.ts";
import { badFile, causeText } from "../source_errors.ts";
import { FedKimError } from "../../../formats/errors.ts";
import { WasmCodec } from "../wasm_codec.ts";
import { decodeExtendedJpeg } from "./_extended_jpeg.ts";

/** What the wasm builds of CharLS and OpenJPEG offer. */
interface FrameDecoder {
  getEncodedBuffer(length: number): Uint8Array;
  getDecodedBuffer(): Uint8Array;
  decode(): void;
  getFrameInfo(): {
    readonly width: number;
    readonly height: number;
    readonly bitsPerSample: number;
    readonly componentCount: number;
  };
  getInterleaveMode?(): number;
  delete(): void;
}

const charls = new WasmCodec<{ JpegLSDecoder: new () => FrameDecoder }>(async (output) => {
  const { default: load } = await import("@cornerstonejs/codec-charls/decode");
  return await load(output);
});

const openjpeg = new WasmCodec<{ J2KDecoder: new () => FrameDecoder }>(async (output) => {
  const { default: load } = await import("@cornerstonejs/codec-openjpeg/decode");
  return await load(output);
});

/** The families of compressed transfer syntaxes that can be read (PS3.5 section 10). */
export type Compression = "rle" | "jpeg" | "jpeg_lossless" | "jpeg_ls" | "jpeg_2000";

/** Where the end marker is looked for: frames are padded. */
const TAIL = 16;

/** Transfer syntaxes by UID. */
export const COMPRESSIONS: Readonly<Record<string, Compression>> = {
  "1.2.840.10008.1.2.5": "rle",
  "1.2.840.10008.1.2.4.50": "jpeg",
  "1.2.840.10008.1.2.4.51": "jpeg",
  "1.2.840.10008.1.2.4.57": "jpeg_lossless",
  "1.2.840.10008.1.2.4.70": "jpeg_lossless",
  "1.2.840.10008.1.2.4.80": "jpeg_ls",
  "1.2.840.10008.1.2.4.81": "jpeg_ls",
  "1.2.840.10008.1.2.4.90": "jpeg_2000",
  "1.2.840.10008.1.2.4.91": "jpeg_2000",
};

/**
 * Decodes one frame of a JPEG family.
 *
 * @param compression the family
 * @param bytes the codestream
 * @param file its name, for messages
 * @param limits bounds, checked against the codestream's own header before the codec runs
 */
export async function decodeCodestream(
  compression: Exclude<Compression, "rle">,
  bytes: Uint8Array,
  file: string,
  limits: Partial<ImportLimits>,
): Promise<DecodedSamples> {
  const { pixels } = importLimits(limits);
  const jpeg = compression === "jpeg_2000" ? undefined : jpegFrame(bytes, file);
  const header = jpeg ?? sizeOfJpeg2000(bytes, file);
  const values = header.width * header.height * header.components;
  if (values < 1 || values > pixels) {
    throw badFile(
      file,
      "DICOM",
      `a frame of ${header.width} x ${header.height} pixels`,
      `at most ${pixels} values`,
    );
  }
  const processes: readonly number[] =
    { jpeg: [0xc0, 0xc1, 0xc2], jpeg_lossless: [0xc3], jpeg_ls: [0xf7], jpeg_2000: [] }[compression];
  if (jpeg !== undefined && !processes.includes(jpeg.process)) {
    throw badFile(
      file,
      "DICOM",
      `JPEG process ${jpeg.process.toString(16)}`,
      `${compression} as the syntax says`,
    );
  }
  // Codecs fill up what is missing with grey; the end marker is the only sign that nothing is.
  if (!bytes.subarray(-TAIL).some((byte, index, tail) => byte === 0xff && tail[index + 1] === 0xd9)) {
    throw badFile(file, "DICOM", "a codestream without its end", "complete frames");
  }
  switch (compression) {
    case "jpeg":
      // The codec stops at 8 bits.
      if (jpeg?.precision === 8) return await decodeJpegSamples(bytes, file, limits);
      return { channels: 1, ...decodeExtendedJpeg(bytes, file) };
    case "jpeg_lossless":
      return await decodeLossless(bytes, file);
    case "jpeg_ls":
      return await runCodec(
        () => charls.run(({ JpegLSDecoder }) => decodeWith(new JpegLSDecoder(), bytes)),
        "JPEG-LS",
        file,
      );
    case "jpeg_2000":
      return await runCodec(
        () => openjpeg.run(({ J2KDecoder }) => decodeWith(new J2KDecoder(), bytes)),
        "JPEG 2000",
        file,
      );
  }
}

async function runCodec<T>(decode: () => Promise<T>, format: string, file: string): Promise<T> {
  try {
    return await decode();
  } catch (cause) {
    throw cause instanceof FedKimError ? cause : badFile(file, format, causeText(cause), undefined, cause);
  }
}

function decodeWith(decoder: FrameDecoder, bytes: Uint8Array): DecodedSamples {
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const { width, height, bitsPerSample, componentCount: channels } = decoder.getFrameInfo();
    const raw = decoder.getDecodedBuffer().slice();
    const data = bitsPerSample > 8 ? new Uint16Array(raw.buffer) : raw;
    if (data.length !== width * height * channels) throw new Error("fewer pixels than the header says");
    // CharLS leaves components that were coded one after another in planes.
    const planar = channels > 1 && decoder.getInterleaveMode?.() === 0;
    return { width, height, channels, data: planar ? interleave(data, channels) : data };
  } finally {
    decoder.delete();
  }
}

async function decodeLossless(bytes: Uint8Array, file: string): Promise<DecodedSamples> {
  const { width, height, components, precision } = jpegFrame(bytes, file);
  return await runCodec(
    async () => {
      const { Decoder } = await import("@cornerstonejs/jpeg-lossless-decoder-js");
      const exact = bytes.slice();
      const raw = new Decoder().decode(exact.buffer, 0, exact.length, precision > 8 ? 2 : 1);
      const buffer = ArrayBuffer.isView(raw) ? raw.buffer : raw;
      const data = precision > 8 ? new Uint16Array(buffer) : new Uint8Array(buffer);
      if (data.length !== width * height * components) throw new Error("fewer pixels than the header says");
      return { width, height, channels: components, data };
    },
    "JPEG lossless",
    file,
  );
}

/** Samples plane after plane become samples pixel after pixel. */
export function interleave<T extends Uint8Array | Uint16Array | Uint32Array>(planes: T, channels: number): T {
  const pixels = planes.length / channels;
  const out = planes.slice() as T;
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < channels; c++) out[i * channels + c] = planes[c * pixels + i];
  }
  return out;
}

/** Size of a JPEG 2000 codestream, raw or in a JP2 box, from its SIZ segment (ITU-T T.800 A.5.1). */
function sizeOfJpeg2000(
  bytes: Uint8Array,
  file: string,
): { readonly width: number; readonly height: number; readonly components: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 42 <= bytes.length; at++) {
    if (view.getUint32(at) !== 0xff4fff51) continue;
    const [x1, y1, x0, y0] = [8, 12, 16, 20].map((offset) => view.getUint32(at + offset));
    return { width: x1 - x0, height: y1 - y0, components: view.getUint16(at + 40) };
  }
  throw badFile(file, "JPEG 2000", "no codestream");
}
