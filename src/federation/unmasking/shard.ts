import type { MaskJob } from "../../secure_agg/mod.ts";
import { FedKimError } from "../../formats/errors.ts";

/** A range of coordinates and the masks to expand over it. */
export interface Shard {
  /** First coordinate, a multiple of 16. */
  readonly first: number;
  /** Coordinates. */
  readonly length: number;
  /** Masks to add up. */
  readonly jobs: readonly MaskJob[];
}

const HEAD_BYTES = 16;
const JOB_BYTES = 33;

/** The shard as bytes: first and length as little-endian float64, then a sign byte and a key for every mask. */
export function encodeShard({ first, length, jobs }: Shard): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + JOB_BYTES * jobs.length);
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, first, true);
  view.setFloat64(8, length, true);
  jobs.forEach(({ key, negate }, i) => {
    bytes[HEAD_BYTES + JOB_BYTES * i] = negate ? 1 : 0;
    bytes.set(key, HEAD_BYTES + JOB_BYTES * i + 1);
  });
  return bytes;
}

/** Reads {@link encodeShard}'s bytes. @throws FedKimError `StoreError`, reason `damaged` */
export function decodeShard(bytes: Uint8Array): Shard {
  const count = (bytes.length - HEAD_BYTES) / JOB_BYTES;
  if (!Number.isInteger(count) || count < 0) throw damaged(`${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [first, length] = [view.getFloat64(0, true), view.getFloat64(8, true)];
  if (
    !(Number.isInteger(first) && first >= 0 && Number.isInteger(length) && length > 0 && length < 2 ** 31)
  ) {
    throw damaged(`${length} coordinates from ${first}`);
  }
  const jobs = Array.from({ length: count }, (_, i) => {
    const at = HEAD_BYTES + JOB_BYTES * i;
    if (bytes[at] > 1) throw damaged(`the sign ${bytes[at]}`);
    return { negate: bytes[at] === 1, key: bytes.slice(at + 1, at + JOB_BYTES) };
  });
  return { first, length, jobs };
}

/** Words as the bytes of a job's result, little-endian as every machine that Deno runs on. */
export function encodeWords(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/**
 * Adds a result to its range, mod 2^32.
 * @throws FedKimError `StoreError`, reason `damaged`, for a result of another length
 */
export function addWords(words: Uint32Array, result: Uint8Array): void {
  if (result.length !== words.byteLength) throw damaged(`a result of ${result.length} bytes`);
  const view = new DataView(result.buffer, result.byteOffset, result.length);
  for (let i = 0; i < words.length; i++) words[i] += view.getUint32(4 * i, true);
}

function damaged(found: string): FedKimError {
  return new FedKimError("StoreError", "A job of the unmasking cannot be read.", {
    reason: "damaged",
    found,
    remedy: "let all replicas run the same version of FedKIM",
  });
}
