import { FedKimError } from "../formats/errors.ts";

/**
 * How frozen weights are stored: float32; 16-bit floats in pairs; or blocks of 32 along a row with one float16
 * scale each, int8 as in GGUF's Q8_0 (w = d q) and int4 as in its Q4_0 (w = d (q - 8)).
 */
export type WeightForm = "float32" | "float16" | "bfloat16" | "int8" | "int4";

/** All of {@link WeightForm}, the most exact first. */
export const WEIGHT_FORMS: readonly WeightForm[] = ["float32", "bfloat16", "float16", "int8", "int4"];

/** Weights that share a scale. */
export const BLOCK = 32;

/** Weights per 32-bit word. */
const PER_WORD: Readonly<Record<WeightForm, number>> = {
  float32: 1,
  float16: 2,
  bfloat16: 2,
  int8: 4,
  int4: 8,
};

/** Rows of a matrix in 32-bit words, as shaders read them. */
export interface EncodedRows {
  /** The weights, rows padded with zeros to whole groups of four, or to whole blocks. */
  readonly words: Float32Array | Int32Array;
  /** Float16 scales in pairs, row after row; absent for floating-point forms. */
  readonly scales?: Int32Array;
}

/** Weights in a stored row, padding included. */
export function paddedColumns(form: WeightForm, columns: number): number {
  const unit = hasScales(form) ? BLOCK : 4;
  return Math.ceil(columns / unit) * unit;
}

/** True for forms with a scale per block. */
export function hasScales(form: WeightForm): boolean {
  return form === "int8" || form === "int4";
}

/**
 * Bytes of a packed matrix, padding and scales included.
 *
 * @param form how the weights are stored
 * @param rows rows of the matrix
 * @param columns columns of the matrix
 * @returns bytes on the device
 */
export function packedBytes(form: WeightForm, rows: number, columns: number): number {
  const width = paddedColumns(form, columns);
  const scales = hasScales(form) ? 4 * Math.ceil(rows * width / BLOCK / 2) : 0;
  return 4 * rows * width / PER_WORD[form] + scales;
}

/**
 * Stores rows in a form.
 *
 * @param values `[rows, columns]`, row-major
 * @param columns length of a row
 * @param form how to store them
 * @returns words and scales
 * @throws FedKimError `ModelError` for values that are not finite in this form
 */
export function encodeRows(values: Float32Array, columns: number, form: WeightForm): EncodedRows {
  const padded = padRows(values, columns, paddedColumns(form, columns));
  checkFinite(padded, form);
  switch (form) {
    case "float32":
      return { words: padded };
    case "float16":
      return { words: new Int32Array(new Float16Array(padded).buffer) };
    case "bfloat16":
      return { words: encodeBfloat16(padded) };
    case "int8":
      return encodeInt8(padded);
    case "int4":
      return encodeInt4(padded);
  }
}

/**
 * The values that a form keeps: what {@link encodeRows} stores, decoded.
 *
 * @param encoded words and scales
 * @param columns length of a row
 * @param form how they are stored
 * @returns row-major values without padding
 */
export function decodeRows({ words, scales }: EncodedRows, columns: number, form: WeightForm): Float32Array {
  const { buffer, byteOffset, byteLength } = words;
  const padded = decodePadded(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength), scales, form);
  const width = paddedColumns(form, columns);
  if (width === columns) return padded;
  const rows = padded.length / width;
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    values.set(padded.subarray(row * width, row * width + columns), row * columns);
  }
  return values;
}

function decodePadded(
  bytes: Uint8Array<ArrayBuffer>,
  scales: Int32Array | undefined,
  form: WeightForm,
): Float32Array {
  const at = [bytes.buffer, bytes.byteOffset] as const;
  switch (form) {
    case "float32":
      return new Float32Array(...at, bytes.length / 4);
    case "float16":
      return new Float32Array(new Float16Array(...at, bytes.length / 2));
    case "bfloat16":
      return new Float32Array(
        Uint32Array.from(new Uint16Array(...at, bytes.length / 2), (bits) => bits << 16).buffer,
      );
    case "int8": {
      const factors = scaleFactors(scales);
      return Float32Array.from(
        new Int8Array(...at, bytes.length),
        (code, i) => code * factors[Math.floor(i / BLOCK)],
      );
    }
    case "int4": {
      const factors = scaleFactors(scales);
      const values = new Float32Array(2 * bytes.length);
      for (let i = 0; i < values.length; i++) {
        const code = (bytes[i >> 1] >> (4 * (i & 1))) & 15;
        values[i] = (code - 8) * factors[Math.floor(i / BLOCK)];
      }
      return values;
    }
  }
}

function padRows(values: Float32Array, columns: number, width: number): Float32Array {
  if (width === columns) return values;
  const rows = values.length / columns;
  const padded = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    padded.set(values.subarray(row * columns, (row + 1) * columns), row * width);
  }
  return padded;
}

/** Rounds to nearest, ties to even, and joins neighbours in a word. */
function encodeBfloat16(values: Float32Array): Int32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const words = new Int32Array(values.length / 2);
  const rounded = (word: number): number => {
    const half = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
    if ((half & 0x7fff) >= 0x7f80) throw notFinite("bfloat16");
    return half;
  };
  for (let i = 0; i < words.length; i++) words[i] = rounded(bits[2 * i]) | (rounded(bits[2 * i + 1]) << 16);
  return words;
}

function encodeInt8(values: Float32Array): EncodedRows {
  const codes = new Int8Array(values.length);
  const scales = encodeBlocks(values, (block, first) => {
    let largest = 0;
    for (const value of block) largest = Math.max(largest, Math.abs(value));
    const scale = Math.f16round(largest / 127);
    const inverse = scale === 0 ? 0 : 1 / scale;
    for (let i = 0; i < BLOCK; i++) {
      codes[first + i] = Math.min(127, Math.max(-127, Math.round(block[i] * inverse)));
    }
    return scale;
  });
  return { words: new Int32Array(codes.buffer), scales };
}

function encodeInt4(values: Float32Array): EncodedRows {
  const codes = new Uint8Array(values.length / 2);
  const scales = encodeBlocks(values, (block, first) => {
    // The value of largest magnitude becomes -8 scale exactly, as in Q4_0.
    let extreme = 0;
    for (const value of block) if (Math.abs(value) > Math.abs(extreme)) extreme = value;
    const scale = Math.f16round(extreme / -8);
    const inverse = scale === 0 ? 0 : 1 / scale;
    for (let i = 0; i < BLOCK; i++) {
      const code = Math.min(15, Math.max(0, Math.round(block[i] * inverse) + 8));
      codes[(first + i) >> 1] |= code << (4 * (i & 1));
    }
    return scale;
  });
  return { words: new Int32Array(codes.buffer), scales };
}

/** Encodes every block and gathers the scales in pairs. */
function encodeBlocks(
  values: Float32Array,
  encode: (block: Float32Array, first: number) => number,
): Int32Array {
  const blocks = values.length / BLOCK;
  const scales = new Float16Array(2 * Math.ceil(blocks / 2));
  for (let block = 0; block < blocks; block++) {
    const first = block * BLOCK;
    scales[block] = encode(values.subarray(first, first + BLOCK), first);
    if (!Number.isFinite(scales[block])) throw notFinite("a block with a float16 scale");
  }
  return new Int32Array(scales.buffer);
}

function scaleFactors(scales: Int32Array | undefined): Float16Array {
  return scales === undefined
    ? new Float16Array()
    : new Float16Array(scales.buffer, scales.byteOffset, 2 * scales.length);
}

/** Magnitudes from here on round to infinity in float16. */
const FLOAT16_OVERFLOW = 65520;

function checkFinite(values: Float32Array, form: WeightForm): void {
  const limit = form === "float16" ? FLOAT16_OVERFLOW : Infinity;
  // Written so that NaN fails too.
  for (let i = 0; i < values.length; i++) if (!(Math.abs(values[i]) < limit)) throw notFinite(form);
}

function notFinite(form: string): FedKimError {
  return new FedKimError("ModelError", `A weight cannot be stored as ${form}.`, {
    found: "a value that is not finite in this form",
    needed: "finite weights; float16 holds magnitudes up to 65504",
    remedy: "store the weights as bfloat16 or float32, or copy the model again",
  });
}
