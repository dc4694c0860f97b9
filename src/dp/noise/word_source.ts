import { FedKimError } from "../../formats/errors.ts";
import { cryptoRandomBytes, type RandomBytes } from "../../formats/random_bytes.ts";

/** Bytes fetched at a time: large enough that the cost of a call vanishes, small enough to stay in cache. */
const BLOCK_BYTES = 32_768;

/** Random 32-bit words out of a byte source, each used once and then wiped. */
export class WordSource {
  readonly #randomBytes: RandomBytes;
  readonly #words: Uint32Array;
  #next: number;

  /**
   * Fetches nothing yet.
   * @param randomBytes where the bytes come from; the operating system's CSPRNG by default
   */
  constructor(randomBytes: RandomBytes = cryptoRandomBytes) {
    this.#randomBytes = randomBytes;
    this.#words = new Uint32Array(BLOCK_BYTES / 4);
    this.#next = this.#words.length;
  }

  /** The next word, uniform on [0, 2^32). */
  word(): number {
    if (this.#next === this.#words.length) this.#refill();
    const value = this.#words[this.#next];
    this.#words[this.#next++] = 0;
    return value;
  }

  /** An integer uniform on [0, 2^53). */
  integer53(): number {
    return (this.word() >>> 5) * 67_108_864 + (this.word() >>> 6);
  }

  #refill(): void {
    const bytes = this.#randomBytes(BLOCK_BYTES);
    // Too few bytes would leave zeros behind: noise that everybody knows.
    if (bytes.length !== BLOCK_BYTES) {
      throw new FedKimError("InternalError", "The source of random bytes failed; nothing is released.", {
        found: `${bytes.length} bytes`,
        needed: `${BLOCK_BYTES}`,
      });
    }
    new Uint8Array(this.#words.buffer).set(bytes);
    this.#next = 0;
  }
}
