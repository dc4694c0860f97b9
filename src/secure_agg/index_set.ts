import { protocolAbort } from "./errors.ts";

/** A set of roster indices as a bitmap: bit i of byte floor(i / 8), least significant first, is index i. */
export class IndexSet implements Iterable<number> {
  readonly #bits: Uint8Array;
  /** Indices run from 0 to `capacity` - 1: the size of the roster. */
  readonly capacity: number;
  /** Number of members. */
  readonly size: number;

  private constructor(capacity: number, bits: Uint8Array) {
    this.capacity = capacity;
    this.#bits = bits;
    let size = 0;
    for (let i = 0; i < capacity; i++) size += (bits[i >>> 3] >>> (i & 7)) & 1;
    this.size = size;
  }

  /** The set of these indices, each below `capacity`. */
  static of(capacity: number, indices: Iterable<number>): IndexSet {
    const bits = new Uint8Array((capacity + 7) >>> 3);
    for (const index of indices) bits[index >>> 3] |= 1 << (index & 7);
    return new IndexSet(capacity, bits);
  }

  /**
   * Reads the canonical bitmap of a set.
   * @throws SecAggError malformed_message for a wrong length or a bit at or above `capacity`
   */
  static fromBytes(capacity: number, bytes: Uint8Array): IndexSet {
    const spare = capacity & 7;
    if (bytes.length !== (capacity + 7) >>> 3 || (spare !== 0 && bytes[bytes.length - 1] >>> spare !== 0)) {
      throw protocolAbort("malformed_message", "A set of sites is not canonical.", {
        needed: `a bitmap of ${capacity} bits without spare bits set`,
      });
    }
    return new IndexSet(capacity, bytes.slice());
  }

  /** True if `index` is a member. */
  has(index: number): boolean {
    return index >= 0 && index < this.capacity && ((this.#bits[index >>> 3] >>> (index & 7)) & 1) === 1;
  }

  /** The canonical bitmap. */
  toBytes(): Uint8Array {
    return this.#bits.slice();
  }

  /** True if every member is also in `other`. */
  isSubsetOf(other: IndexSet): boolean {
    return this.#bits.every((byte, i) => (byte & ~(other.#bits[i] ?? 0)) === 0);
  }

  /** Members in ascending order. */
  *[Symbol.iterator](): Iterator<number> {
    for (let i = 0; i < this.capacity; i++) if (this.has(i)) yield i;
  }
}
