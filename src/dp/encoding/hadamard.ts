import { createHash } from "node:crypto";
import { FedKimError } from "../../formats/errors.ts";

/** Vectors up to this length stay in the cache while several passes run over them. */
const BLOCK = 1 << 14;

/** Smallest power of two that is at least `length`. */
export function paddedLength(length: number): number {
  let padded = 1;
  while (padded < length) padded *= 2;
  return padded;
}

/** Passes with half-widths from `from` below `to`, two at a time where possible, over data[start, end). */
function passes(data: Float64Array, start: number, end: number, from: number, to: number): void {
  let h = from;
  for (; h * 2 < to; h *= 4) {
    for (let i = start; i < end; i += 4 * h) {
      for (let j = i; j < i + h; j++) {
        const a = data[j], b = data[j + h], c = data[j + 2 * h], d = data[j + 3 * h];
        const s = a + b, t = a - b, u = c + d, v = c - d;
        data[j] = s + u;
        data[j + h] = t + v;
        data[j + 2 * h] = s - u;
        data[j + 3 * h] = t - v;
      }
    }
  }
  for (; h < to; h *= 2) {
    for (let i = start; i < end; i += 2 * h) {
      for (let j = i; j < i + h; j++) {
        const a = data[j], b = data[j + h];
        data[j] = a + b;
        data[j + h] = a - b;
      }
    }
  }
}

/** Unnormalised Walsh-Hadamard transform in place; length a power of two. */
function walshHadamard(data: Float64Array): void {
  const n = data.length;
  const block = Math.min(BLOCK, n);
  for (let start = 0; start < n; start += block) passes(data, start, start + block, 1, block);
  passes(data, 0, n, block, n);
}

/** Public random signs, bit i of the SHA-256 stream of the seed: everybody has to use the same ones. */
function signBits(seed: string, length: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(length / 8));
  for (let block = 0; block * 32 < bits.length; block++) {
    const digest = createHash("sha256").update(`fedkim rotation ${block} ${seed}`).digest();
    bits.set(digest.subarray(0, Math.min(32, bits.length - block * 32)), block * 32);
  }
  return bits;
}

function applySigns(data: Float64Array, bits: Uint8Array, scale: number): void {
  for (let i = 0; i < data.length; i++) data[i] *= (bits[i >> 3] >> (i & 7)) & 1 ? -scale : scale;
}

/**
 * Randomised Hadamard rotation H D x / sqrt(n): keeps the L2 norm and spreads the coordinates evenly, so
 * that fewer ring bits do. The seed is public, a constant of the plan. Source: Suresh et al. 2017, section
 * 3.
 * @param vector padded with zeros to a power of two
 * @returns a new vector of the padded length
 */
export function rotate(vector: Float64Array, seed: string): Float64Array {
  const data = new Float64Array(paddedLength(vector.length));
  data.set(vector);
  applySigns(data, signBits(seed, data.length), 1 / Math.sqrt(data.length));
  walshHadamard(data);
  return data;
}

/**
 * Inverse of {@link rotate}.
 * @param length length before padding
 * @throws FedKimError ConfigError where the rotated vector does not have the padded length
 */
export function unrotate(rotated: Float64Array, seed: string, length: number): Float64Array {
  if (rotated.length !== paddedLength(length)) {
    throw new FedKimError("ConfigError", "The rotated vector does not have the right length.", {
      found: `${rotated.length}`,
      needed: `${paddedLength(length)}`,
    });
  }
  const data = rotated.slice();
  walshHadamard(data);
  applySigns(data, signBits(seed, data.length), 1 / Math.sqrt(data.length));
  return data.slice(0, length);
}
