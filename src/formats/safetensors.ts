import { FedKimError } from "./errors.ts";
import { readRange } from "./_file_range.ts";
import { headerLength, malformed, parseHeader } from "./_safetensors_header.ts";

/** Element types of the safetensors format that are read here. */
export type SafetensorsDtype =
  | "F64"
  | "F32"
  | "F16"
  | "BF16"
  | "I64"
  | "I32"
  | "I16"
  | "I8"
  | "U32"
  | "U16"
  | "U8"
  | "BOOL";

/** Where one tensor lies on disk. */
export interface StoredTensor {
  /** The tensor's name. */
  readonly name: string;
  /** Path of the file (the shard) that holds it. */
  readonly file: string;
  /** Element type on disk. */
  readonly dtype: SafetensorsDtype;
  /** Lengths of its axes, row-major. */
  readonly shape: readonly number[];
  /** First byte in the file. */
  readonly offset: number;
  /** Number of bytes. */
  readonly byteLength: number;
}

/** The tensors of one file, or of all shards of an index, with headers checked and data unread. */
export interface TensorArchive {
  /** Path that was opened, for messages. */
  readonly path: string;
  /** Tensors by name. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** The `__metadata__` strings of the file (of the first shard). */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A tensor to be written. */
export interface TensorToWrite {
  /** Element type on disk; F16 and BF16 round to nearest even. */
  readonly dtype: "F32" | "F16" | "BF16" | "I32" | "U8";
  /** Lengths of its axes. */
  readonly shape: readonly number[];
  /** Row-major values, as many as the shape says. */
  readonly values: Float32Array | Int32Array | Uint8Array;
}

/**
 * Opens a safetensors file, or all shards of a `*.safetensors.index.json`, and checks every header. No tensor
 * data is read.
 *
 * @param path the file or the index
 * @returns the archive's description
 * @throws FedKimError `FormatError` for a missing, truncated or inconsistent file
 */
export async function openSafetensors(path: string): Promise<TensorArchive> {
  return path.endsWith(".index.json") ? await openIndex(path) : await openFile(path);
}

/**
 * Reads one floating-point tensor as float32.
 *
 * @param tensor an entry of an open archive
 * @returns its values, row-major
 * @throws FedKimError `FormatError` when the tensor is not floating-point or the file has changed
 */
export async function readFloats(tensor: StoredTensor): Promise<Float32Array> {
  const bytes = await readBytes(tensor.file, tensor.offset, tensor.byteLength);
  switch (tensor.dtype) {
    case "F32":
      return new Float32Array(bytes.buffer);
    case "F16":
      return new Float32Array(new Float16Array(bytes.buffer));
    case "BF16":
      return fromBfloat16(new Uint16Array(bytes.buffer));
    case "F64":
      return new Float32Array(new Float64Array(bytes.buffer));
    default:
      throw malformed(tensor.file, `tensor ${tensor.name} of dtype ${tensor.dtype}`, "F32, F16, BF16 or F64");
  }
}

/**
 * Reads one integer tensor as int32.
 *
 * @param tensor an entry of an open archive
 * @returns its values, row-major
 * @throws FedKimError `FormatError` when the tensor is not I32, I64, U8 or BOOL, or a value does not fit
 */
export async function readIntegers(tensor: StoredTensor): Promise<Int32Array> {
  const bytes = await readBytes(tensor.file, tensor.offset, tensor.byteLength);
  switch (tensor.dtype) {
    case "I32":
      return new Int32Array(bytes.buffer);
    case "U8":
    case "BOOL":
      return Int32Array.from(bytes);
    case "I64": {
      const wide = new BigInt64Array(bytes.buffer);
      if (wide.some((value) => value !== BigInt.asIntN(32, value))) {
        throw malformed(tensor.file, `tensor ${tensor.name} with a value beyond 32 bits`, "32-bit integers");
      }
      return Int32Array.from(wide, Number);
    }
    default:
      throw malformed(tensor.file, `tensor ${tensor.name} of dtype ${tensor.dtype}`, "I32, I64, U8 or BOOL");
  }
}

/**
 * Encodes tensors in the safetensors format.
 *
 * @param tensors tensors by name, written in this order
 * @param metadata strings for `__metadata__`
 * @returns the file's bytes
 * @throws FedKimError `FormatError` when a shape does not fit its values
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const [name, tensor] of tensors) {
    const data = encodeValues(name, tensor);
    header[name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [end, end + data.length] };
    parts.push(data);
    end += data.length;
  }
  const text = JSON.stringify(header);
  // Trailing spaces align the data to 8 bytes, as the format recommends.
  const unpadded = new TextEncoder().encode(text);
  const json = new Uint8Array(Math.ceil(unpadded.length / 8) * 8).fill(0x20);
  json.set(unpadded);
  const bytes = new Uint8Array(8 + json.length + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  let offset = 8 + json.length;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/**
 * Writes a safetensors file; the file appears complete or not at all.
 *
 * @param path the file to write
 * @param tensors tensors by name
 * @param metadata strings for `__metadata__`
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const partial = `${path}.partial`;
  await Deno.writeFile(partial, encodeSafetensors(tensors, metadata));
  await Deno.rename(partial, path);
}

async function openFile(path: string): Promise<TensorArchive> {
  const { size } = await statFile(path);
  const length = headerLength(await readBytes(path, 0, Math.min(8, size)), size, path);
  const { tensors, metadata } = parseHeader(await readBytes(path, 8, length), size, path);
  const stored = [...tensors].map(([name, entry]) => [name, { name, file: path, ...entry }] as const);
  return { path, tensors: new Map(stored), metadata };
}

async function openIndex(path: string): Promise<TensorArchive> {
  let index: { weight_map?: Record<string, unknown> } | null;
  try {
    index = JSON.parse(await Deno.readTextFile(path));
  } catch (cause) {
    throw malformed(path, "an index that cannot be read as JSON", "a JSON object with weight_map", cause);
  }
  const map = index?.weight_map;
  if (typeof map !== "object" || map === null) {
    throw malformed(path, "no weight_map", "a map of tensor to shard");
  }
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const shards = new Map<string, TensorArchive>();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, shardName] of Object.entries(map)) {
    // A shard is a plain file name beside the index: anything else could reach outside the model's folder.
    if (typeof shardName !== "string" || !/^[\w.-]+$/.test(shardName) || shardName.startsWith(".")) {
      throw malformed(
        path,
        `tensor ${name} in shard ${JSON.stringify(shardName)}`,
        "a file name beside the index",
      );
    }
    const shard = shards.get(shardName) ?? await openFile(folder + shardName);
    shards.set(shardName, shard);
    const tensor = shard.tensors.get(name);
    if (tensor === undefined) {
      throw malformed(path, `tensor ${name} is missing in ${shardName}`, "every tensor");
    }
    tensors.set(name, tensor);
  }
  return { path, tensors, metadata: shards.values().next().value?.metadata ?? {} };
}

async function statFile(path: string): Promise<Deno.FileInfo> {
  try {
    const info = await Deno.stat(path);
    if (info.isFile) return info;
  } catch (cause) {
    throw new FedKimError("FormatError", "A safetensors file cannot be opened.", {
      found: `no readable file ${path}`,
      needed: "a safetensors file",
      remedy: "check the path, and that every shard of the index is there",
      cause,
    });
  }
  throw malformed(path, "a folder", "a file");
}

async function readBytes(path: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  return await readRange(path, offset, length, (found, needed) => malformed(path, found, needed));
}

function encodeValues(name: string, { dtype, shape, values }: TensorToWrite): Uint8Array {
  const size = shape.reduce((product, length) => product * length, 1);
  if (size !== values.length) {
    throw new FedKimError("FormatError", `Tensor ${name} cannot be written.`, {
      found: `${values.length} values for shape [${shape.join(", ")}]`,
      needed: `${size} values`,
    });
  }
  switch (dtype) {
    case "F32":
      return bytesOf(Float32Array.from(values));
    case "F16":
      return bytesOf(Float16Array.from(values));
    case "BF16":
      return bytesOf(toBfloat16(Float32Array.from(values)));
    case "I32":
      return bytesOf(Int32Array.from(values));
    case "U8":
      return Uint8Array.from(values);
  }
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function fromBfloat16(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word, index) => {
    // Rounding could carry a NaN's payload into infinity: keep it quiet instead.
    if (Number.isNaN(values[index])) return 0x7fc0;
    return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  });
}
