/**
 * Numbers mod p = 2^255 - 19 as twelve doubles. Limb i is a multiple of 2^e(i), e(i) = ceil(21.25 i), and carries its
 * own scale, so that products need no shifts (Bernstein, Curve25519, PKC 2006, section 4). Everything is exact: a limb
 * is "reduced" if |limb i| <= 2^(e(i+1) - 1) (1 + 2^-10), and a product of two numbers whose limbs are at most alpha and
 * beta times as large stays below 2^53 units of 2^e(k) in every partial sum while alpha * beta <= 9.8: limb 0 is the
 * largest, with 1 + 11 * 19 terms of at most alpha * beta * 2^42 each. The ladder needs alpha * beta <= 6.1.
 */

/** Limbs of a number. */
export const LIMBS = 12;
/** e(0) to e(12) = 255. */
const EXPONENTS: readonly number[] = Array.from({ length: LIMBS + 1 }, (_, i) => Math.ceil(21.25 * i));
/** What takes 2^255 to 19: the factor of a limb that wraps around. */
export const FOLD: number = 19 * 2 ** -255;
/** Adding and subtracting it rounds limb k to a multiple of 2^e(k+1): what is carried on. */
export const CARRY_MAGIC: readonly number[] = EXPONENTS.slice(1).map((exponent) => 3 * 2 ** (51 + exponent));
/** (A - 2) / 4 of Curve25519 (RFC 7748, section 5). */
export const A24 = 121_665;

const SCALES = EXPONENTS.slice(0, LIMBS).map((exponent) => 2 ** exponent);
const WIDTHS = Array.from({ length: LIMBS }, (_, i) => EXPONENTS[i + 1] - EXPONENTS[i]);

/** Writes 32 little-endian bytes below 2^255 as limbs 0 <= limb < 2^e(i+1) into every second double of `out`. */
export function writeLimbs(bytes: Uint8Array, out: Float64Array): void {
  let [bits, held, next] = [0, 0, 0];
  for (let i = 0; i < LIMBS; i++) {
    for (; held < WIDTHS[i]; held += 8) bits |= bytes[next++] << held;
    out[2 * i] = (bits & ((1 << WIDTHS[i]) - 1)) * SCALES[i];
    bits >>>= WIDTHS[i];
    held -= WIDTHS[i];
  }
}

/** Carries once through integer limbs, and from the last to the first; no branch depends on them. */
function carryOnce(limbs: Int32Array): void {
  let carry = 0;
  for (let i = 0; i < LIMBS; i++) {
    const value = limbs[i] + carry;
    carry = value >> WIDTHS[i];
    limbs[i] = value & ((1 << WIDTHS[i]) - 1);
  }
  limbs[0] += 19 * carry;
}

/** The one byte form below p of reduced limbs in every second double of `limbs`. */
export function readLimbs(limbs: Float64Array): Uint8Array {
  const integers = new Int32Array(LIMBS);
  for (let i = 0; i < LIMBS; i++) integers[i] = limbs[2 * i] / SCALES[i];
  // The first pass leaves a number from -19 to 2^255 + 18, the second one from 0 to 2^255 - 1.
  carryOnce(integers);
  carryOnce(integers);
  let above = 19; // becomes 1 if the number is p or more
  for (let i = 0; i < LIMBS; i++) above = (integers[i] + above) >> WIDTHS[i];
  integers[0] += 19 * above;
  const bytes = new Uint8Array(32);
  let [bits, held, next, carry] = [0, 0, 0, 0];
  for (let i = 0; i < LIMBS; i++) {
    const value = integers[i] + carry;
    carry = value >> WIDTHS[i];
    bits |= (value & ((1 << WIDTHS[i]) - 1)) << held;
    for (held += WIDTHS[i]; held >= 8; held -= 8, bits >>>= 8) bytes[next++] = bits;
  }
  bytes[next] = bits;
  integers.fill(0);
  return bytes;
}
