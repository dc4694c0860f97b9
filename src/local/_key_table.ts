import { cryptoRandomBytes, type RandomBytes } from "../formats/random_bytes.ts";

/** Largest prime below 2^26: products of two residues are exact in a double. */
const PRIME = 67_108_859;
/** Independent hash values per key. */
const LANES = 4;
/** Filled share above which the table grows. */
const LOAD = 0.6;

/**
 * Numbers keys 0, 1, 2, ... in the order of their first occurrence, and keeps four hash values instead of the key: at
 * most 46 bytes a key, whatever its length, and no limit at 2^24 keys as a `Map` has.
 *
 * Each hash value is the key's polynomial at a secret random point modulo a prime p of 26 bits, so two keys of at most
 * L characters agree in all four with a chance of at most (L / p)^4 (Carter and Wegman 1979): for ten million keys of
 * 20 characters the chance that any two are taken for one is below 1e-12.
 */
export class KeyTable {
  readonly #points: readonly number[];
  /** Key number + 1 by slot; 0 = free. */
  #slots = new Uint32Array(1024);
  /** Hash values, {@link LANES} per key. */
  #hashes = new Uint32Array(512 * LANES);
  #count = 0;
  readonly #hash = new Uint32Array(LANES);

  /** @param randomBytes source of the secret points */
  constructor(randomBytes: RandomBytes = cryptoRandomBytes) {
    const words = new Uint32Array(randomBytes(4 * LANES).slice().buffer);
    this.#points = Array.from(words, (word) => 1 + word % (PRIME - 1));
  }

  /** Number of different keys. */
  get size(): number {
    return this.#count;
  }

  /** The key's number; undefined when it was never added. */
  find(key: string): number | undefined {
    this.#digest(key);
    const held = this.#slots[this.#slot(this.#hash, 0)];
    return held === 0 ? undefined : held - 1;
  }

  /** The key's number, a new one at its first occurrence. */
  add(key: string): number {
    this.#digest(key);
    const slot = this.#slot(this.#hash, 0);
    if (this.#slots[slot] !== 0) return this.#slots[slot] - 1;
    const number = this.#count++;
    this.#slots[slot] = this.#count;
    if (this.#count * LANES > this.#hashes.length) this.#hashes = enlarged(this.#hashes);
    this.#hashes.set(this.#hash, number * LANES);
    if (this.#count > LOAD * this.#slots.length) this.#rehash();
    return number;
  }

  #digest(key: string): void {
    for (let lane = 0; lane < LANES; lane++) {
      const point = this.#points[lane];
      let hash = 0;
      for (let i = 0; i < key.length; i++) hash = (hash * point + key.charCodeAt(i) + 1) % PRIME;
      this.#hash[lane] = hash;
    }
  }

  /** The slot that holds these hash values (from `at`), or the free one where they belong. */
  #slot(hashes: Uint32Array, at: number): number {
    const mask = this.#slots.length - 1;
    let slot = (hashes[at] ^ Math.imul(hashes[at + 1], 0x9e3779b1)) & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const other = (this.#slots[slot] - 1) * LANES;
      let lane = 0;
      while (lane < LANES && this.#hashes[other + lane] === hashes[at + lane]) lane++;
      if (lane === LANES) break;
    }
    return slot;
  }

  #rehash(): void {
    this.#slots = new Uint32Array(2 * this.#slots.length);
    for (let number = 0; number < this.#count; number++) {
      this.#slots[this.#slot(this.#hashes, number * LANES)] = number + 1;
    }
  }
}

/** The same numbers in twice the room. */
export function enlarged(numbers: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * numbers.length);
  larger.set(numbers);
  return larger;
}
