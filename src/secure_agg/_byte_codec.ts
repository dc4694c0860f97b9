import { protocolAbort, type SecAggError } from "./errors.ts";
import { utf8 } from "./_bytes.ts";

function malformed(found: string, needed: string): SecAggError {
  return protocolAbort("malformed_message", "A message cannot be decoded.", { found, needed });
}

/** Appends little-endian fields to a growing buffer. */
export class ByteWriter {
  #buffer: Uint8Array;
  #length = 0;

  /** @param capacity bytes expected; with the exact number nothing is copied twice */
  constructor(capacity = 256) {
    this.#buffer = new Uint8Array(capacity);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  #reserve(count: number): number {
    const start = this.#length;
    const needed = start + count;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      grown.set(this.#buffer);
      this.#buffer = grown;
    }
    this.#length = needed;
    return start;
  }

  /** An unsigned integer of 1, 2 or 4 bytes. */
  uint(size: 1 | 2 | 4, value: number): this {
    // A number that is cut would give two different values one byte form, and one hash.
    if (!(value >= 0 && value < 2 ** (8 * size))) throw new RangeError(`${value} does not fit ${size} bytes`);
    const start = this.#reserve(size);
    for (let i = 0; i < size; i++) this.#buffer[start + i] = (value >>> (8 * i)) & 255;
    return this;
  }

  /** A safe integer as 8 bytes. */
  uint64(value: number): this {
    return this.uint(4, value >>> 0).uint(4, Math.floor(value / 2 ** 32));
  }

  /** Bytes without a length. */
  raw(bytes: Uint8Array): this {
    const start = this.#reserve(bytes.length);
    this.#buffer.set(bytes, start);
    return this;
  }

  /** Text in UTF-8 with a length of one byte. */
  text(value: string): this {
    const start = this.#reserve(1 + value.length);
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) { // not ASCII, which all names of the protocol are
        this.#length = start;
        const bytes = utf8(value);
        return this.uint(1, bytes.length).raw(bytes);
      }
      this.#buffer[start + 1 + i] = code;
    }
    if (value.length > 255) throw new RangeError(`a text of ${value.length} bytes does not fit 255`);
    this.#buffer[start] = value.length;
    return this;
  }

  /** Overwrites four bytes written before with an unsigned integer. */
  patchUint32(offset: number, value: number): this {
    new DataView(this.#buffer.buffer).setUint32(offset, value, true);
    return this;
  }

  /** What was written; the writer must not be used any more. */
  finish(): Uint8Array {
    return this.#length === this.#buffer.length ? this.#buffer : this.#buffer.slice(0, this.#length);
  }
}

/** Reads little-endian fields; every overrun is a typed error. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes not yet read. */
  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  /** A view of the next `count` bytes. */
  raw(count: number): Uint8Array {
    if (count > this.left) throw malformed(`${this.left} bytes left`, `${count} more`);
    this.#offset += count;
    return this.#bytes.subarray(this.#offset - count, this.#offset);
  }

  /** A copy of the next `count` bytes. */
  copy(count: number): Uint8Array {
    return this.raw(count).slice();
  }

  /** An unsigned integer of 1, 2 or 4 bytes. */
  uint(size: 1 | 2 | 4): number {
    if (size > this.left) throw malformed(`${this.left} bytes left`, `${size} more`);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#bytes[this.#offset + i];
    this.#offset += size;
    return value;
  }

  /** A safe integer of 8 bytes. */
  uint64(): number {
    const low = this.uint(4);
    const value = this.uint(4) * 2 ** 32 + low;
    if (!Number.isSafeInteger(value)) throw malformed("an integer above 2^53 - 1", "a safe integer");
    return value;
  }

  /** Text in UTF-8 with a length of one byte. */
  text(): string {
    const bytes = this.raw(this.uint(1));
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw malformed("bytes that are not UTF-8", "UTF-8 text");
    }
  }

  /** Refuses trailing bytes. */
  end(): void {
    if (this.left !== 0) throw malformed(`${this.left} trailing bytes`, "none");
  }
}
