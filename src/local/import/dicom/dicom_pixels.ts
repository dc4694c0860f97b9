import { type ImportLimits, importLimits } from "../limits.ts";
import { badFile, badValue } from "../source_errors.ts";
import { COMPRESSIONS, decodeCodestream, interleave } from "./_codecs.ts";
import { decodeRle } from "./_rle.ts";
import { type DicomObject, EXPLICIT_BIG_ENDIAN } from "./dicom_object.ts";

/** How an object stores its pixels (PS3.3 C.7.6.3). */
export interface PixelDescription {
  /** Rows. */
  readonly rows: number;
  /** Columns. */
  readonly columns: number;
  /** Frames. */
  readonly frames: number;
  /** Samples per pixel: 1 or 3. */
  readonly samples: number;
  /** What the samples mean, for example MONOCHROME2. */
  readonly photometric: string;
  /** Bits that a sample takes in the file: 1, 8, 16 or 32. */
  readonly bitsAllocated: number;
  /** Bits that hold the value. */
  readonly bitsStored: number;
  /** Position of the value's most significant bit. */
  readonly highBit: number;
  /** Whether values are two's complement. */
  readonly signed: boolean;
  /** Whether colours are stored plane after plane. */
  readonly planar: boolean;
}

/** One frame of stored values, interleaved by pixel. */
export interface StoredFrame {
  /** Samples per pixel: 1 or 3. */
  readonly samples: number;
  /** Whether colour is RGB although the object says otherwise, because the codec converted it. */
  readonly convertedToRgb: boolean;
  /** Stored values, [rows][columns][samples]. */
  readonly values: Int32Array | Uint32Array;
}

const NATIVE = new Set(["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", EXPLICIT_BIG_ENDIAN]);
const PIXEL_DATA = "x7fe00010";

/**
 * Reads how an object stores its pixels and checks that it is consistent.
 *
 * @param object a parsed object with pixel data
 * @throws FedKimError `DatasetError` naming the tag of the first missing or impossible value
 */
export function describePixels(object: DicomObject): PixelDescription {
  const wrong = (field: string, found: string, needed: string): Error =>
    badValue({ file: object.file, field }, found, needed);
  const need = (tag: string, field: string, allowed: (value: number) => boolean, needed: string): number => {
    const value = object.integer(tag);
    if (value === undefined) throw wrong(field, "no value", needed);
    if (!allowed(value)) throw wrong(field, String(value), needed);
    return value;
  };
  const rows = need("x00280010", "Rows", (value) => value > 0, "1 or more");
  const columns = need("x00280011", "Columns", (value) => value > 0, "1 or more");
  const samples = need("x00280002", "SamplesPerPixel", (value) => value === 1 || value === 3, "1 or 3");
  const bitsAllocated = need(
    "x00280100",
    "BitsAllocated",
    (value) => [1, 8, 16, 32].includes(value),
    "1, 8, 16 or 32",
  );
  const bitsStored = need(
    "x00280101",
    "BitsStored",
    (value) => value >= 1 && value <= bitsAllocated,
    "at most BitsAllocated",
  );
  const highBit = object.integer("x00280102") ?? bitsStored - 1;
  if (highBit < bitsStored - 1 || highBit >= bitsAllocated) {
    throw wrong("HighBit", String(highBit), "a bit of the sample");
  }
  const photometric = object.text("x00280004");
  if (photometric === undefined) {
    throw wrong("PhotometricInterpretation", "no value", "for example MONOCHROME2");
  }
  const frames = object.decimal("x00280008") ?? 1;
  if (!Number.isInteger(frames) || frames < 1) {
    throw wrong("NumberOfFrames", "no whole number above 0", "1 or more");
  }
  return {
    rows,
    columns,
    frames,
    samples,
    photometric,
    bitsAllocated,
    bitsStored,
    highBit,
    signed: object.integer("x00280103") === 1,
    planar: samples > 1 && object.integer("x00280006") === 1,
  };
}

/**
 * Decodes one frame: uncompressed in either byte order, RLE, JPEG (8 and 12 bits, lossless), JPEG-LS or JPEG 2000.
 *
 * @param object a parsed object
 * @param description from {@link describePixels}
 * @param frame which frame, from 0
 * @param limits bounds
 * @throws FedKimError `FormatError` when the pixel data are cut short, damaged, of another syntax or too large
 */
export async function decodeFrame(
  object: DicomObject,
  description: PixelDescription,
  frame: number,
  limits: Partial<ImportLimits> = {},
): Promise<StoredFrame> {
  const { rows, columns, samples, frames } = description;
  const { pixels } = importLimits(limits);
  if (rows * columns * samples > pixels) {
    throw badFile(object.file, "DICOM", `a frame of ${rows} x ${columns} pixels`, `at most ${pixels} values`);
  }
  if (!object.has(PIXEL_DATA)) throw badFile(object.file, "DICOM", "no pixel data", "an image object");
  if (NATIVE.has(object.transferSyntax)) {
    return { samples, convertedToRgb: false, values: nativeFrame(object, description, frame) };
  }
  const compression = COMPRESSIONS[object.transferSyntax];
  if (compression === undefined) {
    throw badFile(
      object.file,
      "DICOM",
      `transfer syntax ${object.transferSyntax}`,
      "a syntax of docs/dataset_import.md",
    );
  }
  const bytes = object.compressedFrames(PIXEL_DATA, frames)[frame];
  if (compression === "rle") {
    const width = description.bitsAllocated / 8;
    const raw = decodeRle(bytes, rows * columns, samples, width, object.file);
    const words = interleave(wordsOf(raw, width), samples);
    return { samples, convertedToRgb: false, values: stored(words, description) };
  }
  const decoded = await decodeCodestream(compression, bytes, object.file, limits);
  if (decoded.height !== rows || decoded.width !== columns || decoded.channels !== samples) {
    throw badFile(
      object.file,
      "DICOM",
      `a codestream of ${decoded.height} x ${decoded.width} x ${decoded.channels}`,
      `${rows} x ${columns} x ${samples} as the object says`,
    );
  }
  const codecConverts = compression === "jpeg" || compression === "jpeg_2000";
  return {
    samples,
    convertedToRgb: samples === 3 && codecConverts,
    // A codec aligns values to bit 0, wherever HighBit is.
    values: stored(decoded.data, { ...description, highBit: description.bitsStored - 1 }),
  };
}

function nativeFrame(
  object: DicomObject,
  description: PixelDescription,
  frame: number,
): Int32Array | Uint32Array {
  const { rows, columns, frames, samples, bitsAllocated, planar, photometric } = description;
  const subsampled = photometric === "YBR_FULL_422" ? 2 / 3 : 1;
  const count = rows * columns * samples * subsampled;
  const bytes = object.bytes(PIXEL_DATA) ?? new Uint8Array(0);
  const needed = Math.ceil(count * frames * bitsAllocated / 8);
  if (bytes.length < needed) {
    throw badFile(
      object.file,
      "DICOM",
      `${bytes.length} bytes of pixel data`,
      `${needed} bytes as the object says`,
    );
  }
  if (bitsAllocated === 1) {
    const first = count * frame;
    return Uint32Array.from({ length: count }, (_, i) => bytes[(first + i) >> 3] >> ((first + i) & 7) & 1);
  }
  const width = bitsAllocated / 8;
  let raw = bytes.slice(frame * count * width, (frame + 1) * count * width);
  // In big endian the unit that is swapped is the word of the element's representation, not the sample.
  const swapped = object.representation(PIXEL_DATA) === "OB" ? 1 : Math.max(width, 2);
  if (object.bigEndian && swapped > 1 && raw.length % swapped === 0) raw = swapWords(raw, swapped);
  const words = wordsOf(raw, width);
  if (subsampled !== 1) return lumaOf422(words, rows * columns);
  return stored(planar ? interleave(words, samples) : words, description);
}

/** Y of Y1 Y2 Cb Cr groups, repeated for three samples: chroma is not needed for grey. */
function lumaOf422(words: Words, pixels: number): Uint32Array {
  return Uint32Array.from({ length: pixels * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return i % 3 === 0 ? words[(pixel >> 1) * 4 + (pixel & 1)] : 128;
  });
}

type Words = Uint8Array | Uint16Array | Uint32Array;

/** Little-endian samples of 1, 2 or 4 bytes; `raw` owns its buffer from the start. */
function wordsOf(raw: Uint8Array, width: number): Words {
  if (width === 1) return raw;
  return width === 2
    ? new Uint16Array(raw.buffer, 0, raw.length / 2)
    : new Uint32Array(raw.buffer, 0, raw.length / 4);
}

function swapWords(bytes: Uint8Array<ArrayBuffer>, width: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytes, (_, i) => bytes[i - i % width + width - 1 - i % width]);
}

/** Cuts the value out of each word and extends its sign. */
function stored(
  words: Words,
  { bitsStored, highBit, signed }: Pick<PixelDescription, "bitsStored" | "highBit" | "signed">,
): Int32Array | Uint32Array {
  const shift = highBit - bitsStored + 1;
  const unused = 32 - bitsStored;
  return signed
    ? Int32Array.from(words, (word) => (word >>> shift) << unused >> unused)
    : Uint32Array.from(words, (word) => (word >>> shift) << unused >>> unused);
}
