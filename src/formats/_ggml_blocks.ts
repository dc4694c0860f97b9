/** Element types of GGUF tensors that are read here. */
export type GgmlType =
  | "F32"
  | "F16"
  | "BF16"
  | "Q4_0"
  | "Q4_1"
  | "Q5_0"
  | "Q5_1"
  | "Q8_0"
  | "Q4_K"
  | "Q5_K"
  | "Q6_K";

/** How a type is stored: so many bytes make a block of so many values. */
interface BlockLayout {
  readonly type: GgmlType;
  readonly values: number;
  readonly bytes: number;
}

/** Block layouts by the type's number in the file (ggml.h, `enum ggml_type`). */
export const GGML_LAYOUTS: ReadonlyMap<number, BlockLayout> = new Map([
  [0, { type: "F32", values: 1, bytes: 4 }],
  [1, { type: "F16", values: 1, bytes: 2 }],
  [2, { type: "Q4_0", values: 32, bytes: 18 }],
  [3, { type: "Q4_1", values: 32, bytes: 20 }],
  [6, { type: "Q5_0", values: 32, bytes: 22 }],
  [7, { type: "Q5_1", values: 32, bytes: 24 }],
  [8, { type: "Q8_0", values: 32, bytes: 34 }],
  [12, { type: "Q4_K", values: 256, bytes: 144 }],
  [13, { type: "Q5_K", values: 256, bytes: 176 }],
  [14, { type: "Q6_K", values: 256, bytes: 210 }],
  [30, { type: "BF16", values: 1, bytes: 2 }],
]);

/** One block of a quantised type: reads at byte `at`, writes its values from index `to` on. */
type BlockReader = (block: Blocks, at: number, out: Float32Array, to: number) => void;

/** The bytes of a tensor, with float16 access at even offsets. */
class Blocks {
  readonly bytes: Uint8Array;
  readonly #halves: Float16Array;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
    this.#halves = new Float16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1);
  }

  half(at: number): number {
    return this.#halves[at >> 1];
  }

  signed(at: number): number {
    return this.bytes[at] << 24 >> 24;
  }
}

const READERS: Partial<Record<GgmlType, BlockReader>> = {
  Q4_0: (block, at, out, to) => nibbles(block, at + 2, out, to, block.half(at), -8 * block.half(at)),
  Q4_1: (block, at, out, to) => nibbles(block, at + 4, out, to, block.half(at), block.half(at + 2)),
  Q5_0: (block, at, out, to) => fiveBits(block, at + 2, out, to, block.half(at), -16 * block.half(at)),
  Q5_1: (block, at, out, to) => fiveBits(block, at + 4, out, to, block.half(at), block.half(at + 2)),
  Q8_0: (block, at, out, to) => {
    const scale = block.half(at);
    for (let j = 0; j < 32; j++) out[to + j] = scale * block.signed(at + 2 + j);
  },
  Q4_K: (block, at, out, to) => subBlocks(block, at, out, to, at + 16, undefined),
  Q5_K: (block, at, out, to) => subBlocks(block, at, out, to, at + 48, at + 16),
  Q6_K: sixBits,
};

/**
 * Values of a tensor's bytes, by the block formats of ggml (ggml-common.h, ggml-quants.c).
 *
 * @param type element type
 * @param bytes whole blocks, at an even offset of their buffer
 * @returns the values in float32
 */
export function dequantise(type: GgmlType, bytes: Uint8Array<ArrayBuffer>): Float32Array {
  if (type === "F32") return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  if (type === "F16") {
    return new Float32Array(new Float16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1));
  }
  if (type === "BF16") {
    const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1);
    return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
  }
  const layout = [...GGML_LAYOUTS.values()].find((entry) => entry.type === type) as BlockLayout;
  const read = READERS[type] as BlockReader;
  const blocks = new Blocks(bytes);
  const count = bytes.length / layout.bytes;
  const out = new Float32Array(count * layout.values);
  for (let i = 0; i < count; i++) read(blocks, i * layout.bytes, out, i * layout.values);
  return out;
}

/** 32 values of four bits: low nibbles first, then high nibbles. */
function nibbles(
  { bytes }: Blocks,
  at: number,
  out: Float32Array,
  to: number,
  scale: number,
  offset: number,
): void {
  for (let j = 0; j < 16; j++) {
    out[to + j] = scale * (bytes[at + j] & 15) + offset;
    out[to + j + 16] = scale * (bytes[at + j] >> 4) + offset;
  }
}

/** 32 values of five bits: the fifth bits in four bytes, then the nibbles. */
function fiveBits(
  { bytes }: Blocks,
  at: number,
  out: Float32Array,
  to: number,
  scale: number,
  offset: number,
): void {
  const high = (j: number): number => (bytes[at + (j >> 3)] >> (j & 7) & 1) << 4;
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + 4 + j];
    out[to + j] = scale * (pair & 15 | high(j)) + offset;
    out[to + j + 16] = scale * (pair >> 4 | high(j + 16)) + offset;
  }
}

/** 256 values in eight sub-blocks of 32 with six-bit scales and minima; `high` points to the fifth bits, if any. */
function subBlocks(
  block: Blocks,
  at: number,
  out: Float32Array,
  to: number,
  low: number,
  high: number | undefined,
): void {
  const { bytes } = block;
  const [scale, minimum] = [block.half(at), block.half(at + 2)];
  for (let sub = 0; sub < 8; sub++) {
    const packed = at + 4 + sub;
    const d = scale * (sub < 4 ? bytes[packed] & 63 : bytes[packed + 4] & 15 | bytes[packed - 4] >> 6 << 4);
    const m = minimum * (sub < 4 ? bytes[packed + 4] & 63 : bytes[packed + 4] >> 4 | bytes[packed] >> 6 << 4);
    const from = low + 32 * (sub >> 1);
    const shift = 4 * (sub & 1);
    for (let l = 0; l < 32; l++) {
      const fifth = high === undefined ? 0 : (bytes[high + l] >> sub & 1) << 4;
      out[to + 32 * sub + l] = d * (bytes[from + l] >> shift & 15 | fifth) - m;
    }
  }
}

/** 256 values of six bits: 128 bytes of nibbles, 64 of upper bit pairs, 16 signed scales, one float16 scale. */
function sixBits(block: Blocks, at: number, out: Float32Array, to: number): void {
  const { bytes } = block;
  const scale = block.half(at + 208);
  for (let half = 0; half < 2; half++) {
    for (let part = 0; part < 4; part++) {
      const low = at + 64 * half + 32 * (part & 1);
      const high = at + 128 + 32 * half;
      for (let l = 0; l < 32; l++) {
        const nibble = part < 2 ? bytes[low + l] & 15 : bytes[low + l] >> 4;
        const value = (nibble | (bytes[high + l] >> 2 * part & 3) << 4) - 32;
        const factor = scale * block.signed(at + 192 + 8 * half + 2 * part + (l >> 4));
        out[to + 128 * half + 32 * part + l] = factor * value;
      }
    }
  }
}
