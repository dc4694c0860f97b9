import { FedKimError } from "./errors.ts";

/** Element types of the NPY files that FedKIM reads and writes, all little-endian. */
export type NpyDtype = "u1" | "i1" | "i2" | "i4" | "f4" | "f8";

/** The typed array that holds an element type. */
export type NpyArray = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;

/** What the header of an NPY file says. */
export interface NpyHeader {
  /** Element type. */
  readonly dtype: NpyDtype;
  /** Extents, outermost first (C order). */
  readonly shape: readonly number[];
  /** Product of the extents. */
  readonly length: number;
  /** Byte at which the elements begin. */
  readonly dataOffset: number;
}

/** An array in memory. */
export interface NpyContent {
  /** Extents, outermost first (C order). */
  readonly shape: readonly number[];
  /** The elements in C order. */
  readonly data: NpyArray;
}

const BYTES: Record<NpyDtype, number> = { u1: 1, i1: 1, i2: 2, i4: 4, f4: 4, f8: 8 };
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const LONGEST_HEADER = 65536;
const LARGEST_RANK = 8;

/**
 * Parses the header of an NPY file (format versions 1 to 3) and checks that the file is exactly as long as
 * the header says; nothing is allocated for the elements, so a header that promises terabytes costs nothing.
 *
 * @param start the first bytes of the file, at least 64 KiB of it or all of it
 * @param fileBytes the size of the whole file in bytes
 * @param file its name, for messages
 * @throws FedKimError `FormatError` when the file is no NPY file, of another element type or order, or cut
 * short
 */
export function parseNpyHeader(start: Uint8Array, fileBytes: number, file: string): NpyHeader {
  if (start.length < 10 || MAGIC.some((byte, index) => start[index] !== byte)) {
    throw bad(file, "the first bytes are not those of an NPY file");
  }
  const wide = start[6] >= 2;
  if (start[6] < 1 || start[6] > 3 || start.length < 12) throw bad(file, `format version ${start[6]}`);
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const headerLength = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const dataOffset = (wide ? 12 : 10) + headerLength;
  if (headerLength > LONGEST_HEADER || dataOffset > fileBytes || dataOffset > start.length) {
    throw bad(file, `a header of ${headerLength} bytes in a file of ${fileBytes} bytes`);
  }
  const text = new TextDecoder("latin1").decode(start.subarray(wide ? 12 : 10, dataOffset));
  const dtype = parseDtype(text, file);
  const shape = parseShape(text, file);
  const length = shape.reduce((product, extent) => product * extent, 1);
  const expected = dataOffset + length * BYTES[dtype];
  if (!Number.isSafeInteger(expected) || expected !== fileBytes) {
    throw bad(
      file,
      `shape [${shape.join(", ")}] of ${dtype} (${expected} bytes) in a file of ${fileBytes} bytes`,
    );
  }
  return { dtype, shape, length, dataOffset };
}

function parseDtype(header: string, file: string): NpyDtype {
  const descr = /'descr':\s*'([^']{1,16})'/.exec(header)?.[1];
  const code = descr?.replace(/^[<|=]/, "");
  if (
    code === undefined || !Object.hasOwn(BYTES, code) ||
    (descr?.startsWith("|") && BYTES[code as NpyDtype] > 1)
  ) {
    throw bad(file, `element type ${descr ?? "missing"}`);
  }
  if (!/'fortran_order':\s*False/.test(header)) throw bad(file, "Fortran order");
  return code as NpyDtype;
}

function parseShape(header: string, file: string): number[] {
  const inside = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (inside === undefined) throw bad(file, "no shape");
  const shape = inside.split(",").map((part) => part.trim()).filter((part) => part !== "").map(Number);
  if (shape.length > LARGEST_RANK || shape.some((extent) => !Number.isSafeInteger(extent))) {
    throw bad(file, `shape (${inside.slice(0, 80)})`);
  }
  return shape;
}

/**
 * Reads a whole NPY file from memory.
 *
 * @param bytes the file
 * @param file its name, for messages
 * @returns shape and elements; the elements are copied, so `bytes` may be reused
 * @throws FedKimError `FormatError`, see {@link parseNpyHeader}
 */
export function readNpy(bytes: Uint8Array, file: string): NpyContent {
  const header = parseNpyHeader(bytes, bytes.length, file);
  return { shape: header.shape, data: elements(header, bytes.slice(header.dataOffset)) };
}

/**
 * Interprets the bytes of elements. The host must be little-endian, as every platform of Deno is.
 *
 * @param header gives the element type
 * @param payload whole elements in C order; kept, not copied
 */
export function elements(header: Pick<NpyHeader, "dtype">, payload: Uint8Array): NpyArray {
  const { buffer, byteOffset, byteLength } = payload;
  const count = byteLength / BYTES[header.dtype];
  switch (header.dtype) {
    case "u1":
      return new Uint8Array(buffer, byteOffset, count);
    case "i1":
      return new Int8Array(buffer, byteOffset, count);
    case "i2":
      return new Int16Array(buffer, byteOffset, count);
    case "i4":
      return new Int32Array(buffer, byteOffset, count);
    case "f4":
      return new Float32Array(buffer, byteOffset, count);
    case "f8":
      return new Float64Array(buffer, byteOffset, count);
  }
}

/**
 * Writes an NPY file (format version 1, C order, data aligned to 64 bytes).
 *
 * @param content shape and elements
 * @returns the file's bytes
 * @throws FedKimError `FormatError` when the shape does not match the number of elements
 */
export function writeNpy(content: NpyContent): Uint8Array {
  const { shape, data } = content;
  if (shape.reduce((product, extent) => product * extent, 1) !== data.length) {
    throw bad("array", `shape [${shape.join(", ")}] for ${data.length} elements`);
  }
  const dtype = dtypeOf(data);
  const descr = `${BYTES[dtype] === 1 ? "|" : "<"}${dtype}`;
  const extents = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${extents}, }`;
  const padded = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + "\n";
  const out = new Uint8Array(10 + padded.length + data.byteLength);
  out.set([...MAGIC, 1, 0, padded.length & 255, padded.length >> 8]);
  out.set(new TextEncoder().encode(padded), 10);
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + padded.length);
  return out;
}

function dtypeOf(data: NpyArray): NpyDtype {
  if (data instanceof Uint8Array) return "u1";
  if (data instanceof Int8Array) return "i1";
  if (data instanceof Int16Array) return "i2";
  if (data instanceof Int32Array) return "i4";
  return data instanceof Float32Array ? "f4" : "f8";
}

function bad(file: string, found: string): FedKimError {
  return new FedKimError("FormatError", `${file} cannot be read as an NPY array.`, {
    found,
    needed: "an intact little-endian NPY file in C order with elements u1, i1, i2, i4, f4 or f8",
    remedy: "write the array again, for example with numpy.save(file, np.ascontiguousarray(array))",
  });
}
