import { WordSource } from "../noise/mod.ts";
import type { RandomBytes } from "../../formats/random_bytes.ts";

const TWO32 = 2 ** 32;

/**
 * Scales, saturates and rounds a vector to the ring of integers modulo 2^32, unbiased: floor(x + u), u
 * uniform.
 *
 * Why the rounding charge holds: with the same u, |floor(a + u) - floor(b + u)| < |a - b| + 1 in every
 * coordinate, so neighbouring sums differ by at most scale |a - b| + sqrt(d) after rounding. That is true
 * for each u, hence for the mixture over u. Saturation moves neighbouring values no further apart.
 * @param limit saturation bound in grid units, at most 2^31 - 1
 */
export function roundToRing(
  vector: Float64Array,
  scale: number,
  limit: number,
  randomBytes: RandomBytes,
): Uint32Array {
  const words = new WordSource(randomBytes);
  const ring = new Uint32Array(vector.length);
  for (let i = 0; i < vector.length; i++) {
    const scaled = Math.min(limit, Math.max(-limit, vector[i] * scale));
    ring[i] = Math.floor(scaled + words.word() / TWO32);
  }
  return ring;
}

/** Ring elements as signed integers in [-2^31, 2^31), divided by `scale`. */
export function ringToReal(ring: Uint32Array, scale: number): Float64Array {
  const out = new Float64Array(ring.length);
  for (let i = 0; i < ring.length; i++) out[i] = (ring[i] | 0) / scale;
  return out;
}
