import { FedKimError } from "./errors.ts";

/** Bytes of one element by dtype name. */
export const DTYPE_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

/** A tensor's description in a header; offsets count from the first byte of the file. */
export interface HeaderEntry {
  readonly dtype: keyof typeof DTYPE_BYTES;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly byteLength: number;
}

/** A parsed header. */
export interface Header {
  readonly tensors: ReadonlyMap<string, HeaderEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The format's own bound on the header, against files that claim absurd lengths. */
const MAX_HEADER = 100_000_000;

/** A typed error that names the file. */
export function malformed(file: string, found: string, needed: string, cause?: unknown): FedKimError {
  return new FedKimError("FormatError", `The safetensors file ${file} is malformed.`, {
    found,
    needed,
    remedy: "copy or download the file again",
    cause,
  });
}

/** Length of the JSON header from the first eight bytes; checked against the file's size. */
export function headerLength(prefix: Uint8Array, fileSize: number, file: string): number {
  if (prefix.length < 8) throw malformed(file, `${fileSize} bytes`, "at least 8 bytes");
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER || 8 + length > fileSize) {
    throw malformed(file, `a header of ${length} bytes in a file of ${fileSize}`, "a header inside the file");
  }
  return length;
}

/** Parses and checks the JSON header: known dtypes, sizes that fit the shapes, no overlap, no hole, no excess. */
export function parseHeader(json: Uint8Array, fileSize: number, file: string): Header {
  const fields = parseFields(json, file);
  const dataStart = 8 + json.length;
  const tensors = new Map<string, HeaderEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (name === "__metadata__") metadata = checkMetadata(value, file);
    else tensors.set(name, checkEntry(name, value, dataStart, fileSize, file));
  }
  const ordered = [...tensors.values()].sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  let expected = dataStart;
  for (const { offset, byteLength } of ordered) {
    if (offset !== expected) throw malformed(file, `data at byte ${offset}`, `data at byte ${expected}`);
    expected += byteLength;
  }
  if (expected !== fileSize) {
    throw malformed(file, `${fileSize} bytes`, `${expected} bytes as the header says`);
  }
  return { tensors, metadata };
}

function parseFields(json: Uint8Array, file: string): Record<string, unknown> {
  let fields: unknown;
  try {
    fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch (cause) {
    throw malformed(file, "a header that is not JSON", "a JSON object", cause);
  }
  if (!isObject(fields)) throw malformed(file, "a header that is not an object", "a JSON object");
  return fields;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkMetadata(value: unknown, file: string): Record<string, string> {
  if (!isObject(value) || Object.values(value).some((text) => typeof text !== "string")) {
    throw malformed(file, "__metadata__ with values that are not strings", "a map of strings");
  }
  return value as Record<string, string>;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function checkEntry(
  name: string,
  value: unknown,
  start: number,
  fileSize: number,
  file: string,
): HeaderEntry {
  if (!isObject(value)) {
    throw malformed(file, `tensor ${name} without a description`, "dtype, shape, data_offsets");
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    throw malformed(file, `tensor ${name} of dtype ${String(dtype)}`, Object.keys(DTYPE_BYTES).join(", "));
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw malformed(
      file,
      `tensor ${name} with a shape that is not a list of counts`,
      "non-negative integers",
    );
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    throw malformed(file, `tensor ${name} with invalid data_offsets`, "[begin, end] with begin <= end");
  }
  const known = dtype as keyof typeof DTYPE_BYTES;
  const byteLength = shape.reduce((product: number, length) => product * length, DTYPE_BYTES[known]);
  if (offsets[1] - offsets[0] !== byteLength) {
    throw malformed(
      file,
      `tensor ${name} with ${offsets[1] - offsets[0]} bytes`,
      `${byteLength} bytes for ${known} of shape [${shape.join(", ")}]`,
    );
  }
  if (start + offsets[1] > fileSize) {
    throw malformed(file, `tensor ${name} ends after the file's ${fileSize} bytes`, "a complete file");
  }
  return { dtype: known, shape, offset: start + offsets[0], byteLength };
}
