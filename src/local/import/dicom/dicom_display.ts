import type { ImportLimits } from "../limits.ts";
import { type GreyImage, luma } from "../images/mod.ts";
import { badValue } from "../source_errors.ts";
import type { DicomItem, DicomObject } from "./dicom_object.ts";
import { decodeFrame, describePixels, type PixelDescription } from "./dicom_pixels.ts";

/** Which values become black and white. */
export type Window =
  /** What the object says (VOI LUT, then window), and its whole range where it says nothing. */
  | { readonly kind: "object" }
  /** The smallest and the largest value of the frame. */
  | { readonly kind: "range" }
  /** A window in the object's output units, for example Hounsfield units. */
  | { readonly kind: "fixed"; readonly center: number; readonly width: number };

/**
 * Renders one frame as a radiologist would see it, in 8 bits: modality LUT or rescale, VOI LUT or window,
 * MONOCHROME1 inverted, palettes and colours as luma (PS3.3 C.7.6.3, C.11.1, C.11.2).
 *
 * @param object a parsed image object
 * @param frame which frame, from 0
 * @param window which values become black and white
 * @param limits bounds
 * @throws FedKimError `FormatError` when pixels are damaged, `DatasetError` naming the tag that is wrong
 */
export async function renderFrame(
  object: DicomObject,
  frame: number,
  window: Window = { kind: "object" },
  limits: Partial<ImportLimits> = {},
): Promise<GreyImage> {
  const description = describePixels(object);
  const { rows: height, columns: width, photometric } = description;
  const { values, samples, convertedToRgb } = await decodeFrame(object, description, frame, limits);
  if (photometric === "PALETTE COLOR") {
    return { height, width, data: paletteLuma(object, description, values) };
  }
  if (samples === 3) {
    const white = 2 ** description.bitsStored - 1;
    // The first sample of YBR is luma already.
    if (!convertedToRgb && photometric.startsWith("YBR")) {
      return { height, width, data: luma(values.filter((_, i) => i % 3 === 0), 1, white) };
    }
    return { height, width, data: luma(values, 3, white) };
  }
  if (photometric !== "MONOCHROME1" && photometric !== "MONOCHROME2") {
    throw badValue(
      { file: object.file, field: "PhotometricInterpretation" },
      photometric.slice(0, 16),
      "MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB or YBR",
    );
  }
  const output = modalityOutput(object, values);
  const padding = paddingMask(object, description, values);
  const data = applyWindow(object, output, padding, window);
  if (photometric === "MONOCHROME1") data.forEach((grey, i) => data[i] = 255 - grey);
  padding?.forEach((padded, i) => padded ? data[i] = 0 : undefined);
  return { height, width, data };
}

/** A table of values (PS3.3 C.11.1.1). */
interface Lut {
  readonly first: number;
  readonly bits: number;
  readonly entries: Uint16Array | Uint8Array;
}

function readLut(
  item: DicomItem,
  object: DicomObject,
  signed: boolean,
  descriptor: string,
  data: string,
): Lut {
  const bytes = item.bytes(data);
  const [count, first, bits] = [0, 1, 2].map((index) => item.integer(descriptor, index));
  const length = count === 0 ? 65536 : count;
  if (bytes === undefined || length === undefined || first === undefined || bits === undefined) {
    throw badValue(
      { file: object.file, field: "a lookup table" },
      "no data or no descriptor",
      "a complete table",
    );
  }
  if (bytes.length < length) {
    throw badValue(
      { file: object.file, field: "a lookup table" },
      "fewer entries than the descriptor says",
      `${length}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = bytes.length >= 2 * length
    ? Uint16Array.from({ length }, (_, i) => view.getUint16(2 * i, !object.bigEndian))
    : bytes.slice(0, length);
  // The first mapped value has the sign of the pixels, whatever representation the file states.
  return { first: signed ? first << 16 >> 16 : first & 0xffff, bits, entries };
}

function lookUp({ first, entries }: Lut, value: number): number {
  return entries[Math.min(entries.length - 1, Math.max(0, Math.round(value) - first))];
}

function modalityOutput(object: DicomObject, values: Int32Array | Uint32Array): Float64Array {
  const sequence = object.items("x00283000")[0];
  if (sequence !== undefined) {
    const lut = readLut(sequence, object, values instanceof Int32Array, "x00283002", "x00283006");
    return Float64Array.from(values, (value) => lookUp(lut, value));
  }
  const slope = object.decimal("x00281053") ?? 1;
  const intercept = object.decimal("x00281052") ?? 0;
  return Float64Array.from(values, (value) => value * slope + intercept);
}

/** Pixels outside the imaged region (PS3.3 C.7.5.1.1.2). */
function paddingMask(
  object: DicomObject,
  description: PixelDescription,
  values: Int32Array | Uint32Array,
): readonly boolean[] | undefined {
  const value = object.integer("x00280120");
  if (value === undefined) return undefined;
  const sign = (raw: number): number => description.signed ? raw << 16 >> 16 : raw & 0xffff;
  const limit = sign(object.integer("x00280121") ?? value);
  const [low, high] = [Math.min(sign(value), limit), Math.max(sign(value), limit)];
  const mask = Array.from(values, (stored) => stored >= low && stored <= high);
  return mask.includes(false) ? mask : undefined;
}

function applyWindow(
  object: DicomObject,
  output: Float64Array,
  padding: readonly boolean[] | undefined,
  window: Window,
): Uint8Array {
  if (window.kind === "object") {
    const voi = object.items("x00283010")[0];
    if (voi !== undefined) {
      const lut = readLut(voi, object, output.some((value) => value < 0), "x00283002", "x00283006");
      const white = 2 ** lut.bits - 1;
      return Uint8Array.from(output, (value) => Math.round(255 * Math.min(1, lookUp(lut, value) / white)));
    }
    const center = object.decimal("x00281050");
    const width = object.decimal("x00281051");
    if (center !== undefined && width !== undefined) {
      const name = object.text("x00281056") ?? "LINEAR";
      if ((name === "LINEAR" && width < 1) || width <= 0) {
        throw badValue({ file: object.file, field: "WindowWidth" }, "a width below its minimum", "1 or more");
      }
      const shade = windowFunction(name, center, width);
      return Uint8Array.from(output, (value) => Math.round(255 * shade(value)));
    }
  }
  if (window.kind === "fixed") {
    const shade = windowFunction("LINEAR", window.center, window.width);
    return Uint8Array.from(output, (value) => Math.round(255 * shade(value)));
  }
  let [low, high] = [Infinity, -Infinity];
  output.forEach((value, i) => {
    if (padding?.[i]) return;
    low = Math.min(low, value);
    high = Math.max(high, value);
  });
  const scale = high > low ? 255 / (high - low) : 0;
  return Uint8Array.from(output, (value) => Math.round(Math.min(255, Math.max(0, (value - low) * scale))));
}

/** PS3.3 C.11.2.1.2 and C.11.2.1.3, to the range 0 to 1. */
function windowFunction(name: string, center: number, width: number): (value: number) => number {
  const clamp = (value: number): number => Math.min(1, Math.max(0, value));
  switch (name) {
    case "SIGMOID":
      return (value) => 1 / (1 + Math.exp(-4 * (value - center) / width));
    case "LINEAR_EXACT":
      return (value) => clamp((value - center) / width + 0.5);
    default:
      return (value) => {
        const shifted = value - (center - 0.5);
        if (shifted <= -(width - 1) / 2) return 0;
        if (shifted > (width - 1) / 2) return 1;
        return clamp(shifted / (width - 1) + 0.5);
      };
  }
}

function paletteLuma(
  object: DicomObject,
  description: PixelDescription,
  values: Int32Array | Uint32Array,
): Uint8Array {
  if (object.has("x00281221")) {
    throw badValue(
      { file: object.file, field: "SegmentedRedPaletteColorLUTData" },
      "a segmented palette",
      "a plain one",
    );
  }
  const luts = ["1", "2", "3"].map((colour) =>
    readLut(object, object, description.signed, `x0028110${colour}`, `x0028120${colour}`)
  );
  const rgb = new Float64Array(values.length * 3);
  values.forEach((value, i) =>
    luts.forEach((lut, colour) => {
      // Eight-bit palettes in 16-bit entries keep the value in the low byte, unless the descriptor says 16.
      rgb[3 * i + colour] = lookUp(lut, value) / (2 ** lut.bits - 1);
    })
  );
  return luma(rgb, 3, 1);
}
