import { sha256 } from "@noble/hashes/sha2.js";

/** The part of `createHash` of node:crypto that the parts use, for browsers. */
export function createHash(
  algorithm: string,
): { update(data: string | Uint8Array): Hash; digest(form?: "hex"): unknown } {
  if (algorithm !== "sha256") throw new RangeError(`no ${algorithm} here`);
  return new Hash();
}

class Hash {
  readonly #state = sha256.create();

  update(data: string | Uint8Array): this {
    this.#state.update(typeof data === "string" ? new TextEncoder().encode(data) : data);
    return this;
  }

  digest(form?: "hex"): Uint8Array | string {
    const bytes = this.#state.digest();
    return form === undefined
      ? bytes
      : Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}
