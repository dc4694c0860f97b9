/** How Deno and Node ask an object for its printed form. */
const DENO_INSPECT = Symbol.for("Deno.customInspect");
const NODE_INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** Bytes that must not be printed: every textual form says `[secret]`, and {@link SecretBytes.wipe} overwrites them. */
export class SecretBytes {
  readonly #bytes: Uint8Array;
  #wiped = false;

  /**
   * Takes a secret over.
   * @param bytes the secret; do not keep another reference to it
   */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Number of secret bytes. */
  get length(): number {
    return this.#bytes.length;
  }

  /** True once {@link wipe} was called. */
  get wiped(): boolean {
    return this.#wiped;
  }

  /**
   * The bytes themselves (not a copy), for cryptography and for a caller who stores them.
   * @throws TypeError after {@link wipe}
   */
  reveal(): Uint8Array {
    if (this.#wiped) throw new TypeError("this secret has been wiped");
    return this.#bytes;
  }

  /** Overwrites the bytes with zeros; any later {@link reveal} throws. */
  wipe(): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  /** Always `[secret]`. */
  toString(): string {
    return "[secret]";
  }

  /** Always `[secret]`. */
  toJSON(): string {
    return "[secret]";
  }

  /** Always `[secret]`. */
  [DENO_INSPECT](): string {
    return "[secret]";
  }

  /** Always `[secret]`. */
  [NODE_INSPECT](): string {
    return "[secret]";
  }
}
