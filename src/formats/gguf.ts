import { gguf } from "@huggingface/gguf";
import { FedKimError } from "./errors.ts";
import { readRange } from "./_file_range.ts";
import { checkGgufBounds } from "./_gguf_bounds.ts";
import { dequantise, GGML_LAYOUTS, type GgmlType } from "./_ggml_blocks.ts";

export type { GgmlType };

/** Where one tensor of a GGUF file lies, and how its values are stored. */
export interface GgufTensor {
  /** The tensor's name in the file. */
  readonly name: string;
  /** Path of the file. */
  readonly file: string;
  /** Element type on disk. */
  readonly dtype: GgmlType;
  /** Lengths of its axes, row-major: the reverse of the file's order. */
  readonly shape: readonly number[];
  /** First byte in the file. */
  readonly offset: number;
  /** Number of bytes. */
  readonly byteLength: number;
}

/** A GGUF file with its header checked and its tensors unread. */
export interface GgufFile {
  /** Path of the file. */
  readonly path: string;
  /** Key-value metadata: numbers, strings, booleans and lists of them; 64-bit integers as bigint. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Tensors by name. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/**
 * Opens a GGUF file (versions 1 to 3, little-endian) and checks its header: every tensor of a type read here, inside
 * the file, none overlapping another. No tensor is read.
 *
 * @param path the file
 * @returns the file's description
 * @throws FedKimError `FormatError` for a missing, truncated or inconsistent file, `ModelError` for a type of
 * quantisation that is not read here
 */
export async function openGguf(path: string): Promise<GgufFile> {
  const size = await fileSize(path);
  const { metadata, tensorInfos, tensorDataOffset, littleEndian } = await parseHeader(path, size);
  if (!littleEndian) throw malformed(path, "big-endian numbers", "a little-endian file");
  const start = Number(tensorDataOffset);
  if (start > size && tensorInfos.length > 0) {
    throw malformed(path, `a header that ends after the file's ${size} bytes`, "a complete file");
  }
  const tensors = new Map<string, GgufTensor>();
  for (const info of tensorInfos) {
    if (info.name === "" || tensors.has(info.name)) {
      throw malformed(path, `two tensors of the name "${info.name}"`, "a name of its own for every tensor");
    }
    tensors.set(info.name, describe(path, info, start, size));
  }
  refuseOverlap(path, [...tensors.values()]);
  return { path, metadata: metadata as unknown as Record<string, unknown>, tensors };
}

/**
 * Reads one tensor as float32.
 *
 * @param tensor an entry of an open file
 * @returns its values, row-major
 * @throws FedKimError `FormatError` when the file has changed
 */
export async function readGgufTensor(tensor: GgufTensor): Promise<Float32Array> {
  const { file, offset, byteLength, dtype } = tensor;
  return dequantise(
    dtype,
    await readRange(file, offset, byteLength, (found, needed) => malformed(file, found, needed)),
  );
}

type ParsedHeader = Awaited<ReturnType<typeof gguf>>;

async function fileSize(path: string): Promise<number> {
  try {
    const info = await Deno.stat(path);
    if (info.isFile) return info.size;
  } catch (cause) {
    throw malformed(path, "no readable file", "a GGUF file", cause);
  }
  throw malformed(path, "a folder", "a GGUF file");
}

/** A header, its vocabulary included, is not longer. */
const LONGEST_HEADER = 64 * 2 ** 20;

async function parseHeader(path: string, size: number): Promise<ParsedHeader> {
  try {
    const start = await readRange(path, 0, Math.min(size, LONGEST_HEADER), (found) => new RangeError(found));
    // Another magic number or byte order is the parser's own refusal.
    if (start.length > 8 && start[0] === 0x47 && start[7] === 0) checkGgufBounds(start);
    return await gguf(path, { allowLocalFile: true });
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw malformed(path, `a header that cannot be read (${found})`, "a complete GGUF file", cause);
  }
}

function describe(
  path: string,
  info: ParsedHeader["tensorInfos"][number],
  start: number,
  size: number,
): GgufTensor {
  const { name } = info;
  const layout = GGML_LAYOUTS.get(info.dtype);
  if (layout === undefined) {
    throw new FedKimError(
      "ModelError",
      `The GGUF file ${path} has a type of weights that is not supported.`,
      {
        found: `tensor ${name} of ggml type ${info.dtype}`,
        needed: [...GGML_LAYOUTS.values()].map(({ type }) => type).join(", "),
        remedy: "use another quantisation of the same model, e.g. Q8_0 or Q4_K_M",
      },
    );
  }
  const shape = info.shape.map(Number).reverse();
  const values = shape.reduce((product, length) => product * length, 1);
  const row = shape.at(-1) ?? 1;
  if (!Number.isSafeInteger(values) || values === 0 || row % layout.values !== 0) {
    throw malformed(
      path,
      `tensor ${name} of shape [${shape.join(", ")}]`,
      `rows of a multiple of ${layout.values} values for ${layout.type}`,
    );
  }
  const offset = start + Number(info.offset);
  const byteLength = values / layout.values * layout.bytes;
  if (offset % 2 !== 0 || !Number.isSafeInteger(offset) || offset + byteLength > size) {
    throw malformed(
      path,
      `tensor ${name} at bytes ${offset} to ${offset + byteLength} of ${size}`,
      "aligned tensors inside the file",
    );
  }
  return { name, file: path, dtype: layout.type, shape, offset, byteLength };
}

function refuseOverlap(path: string, tensors: GgufTensor[]): void {
  tensors.sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < tensors.length; i++) {
    const [before, after] = [tensors[i - 1], tensors[i]];
    if (before.offset + before.byteLength > after.offset) {
      throw malformed(
        path,
        `tensors ${before.name} and ${after.name} that overlap`,
        "one place for each tensor",
      );
    }
  }
}

function malformed(path: string, found: string, needed: string, cause?: unknown): FedKimError {
  return new FedKimError("FormatError", `The GGUF file ${path} is malformed.`, {
    found,
    needed,
    remedy: "copy or download the file again",
    cause,
  });
}
