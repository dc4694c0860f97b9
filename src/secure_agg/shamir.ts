import type { RandomBytes } from "../formats/random_bytes.ts";
import type { PublicArithmetic } from "./_public_field.ts";
import { gf256 } from "./gf256.ts";
import { gf65536 } from "./gf65536.ts";
import { randomSecret } from "./randomness.ts";

/** A field GF(2^bits) whose elements are packed in 32-bit words, several to a word. */
export interface BinaryField extends PublicArithmetic {
  /** Bits of an element. */
  readonly bits: number;
  /** Multiplies every packed element by x, without a branch or an address that depends on them. */
  readonly doubleWord: (word: number) => number;
}

/** GF(2^8) up to 255 shares, GF(2^16) above: a share is as long as the secret in both. */
export function sharingField(shares: number): BinaryField {
  return shares < 2 ** gf256.bits ? gf256 : gf65536;
}

/**
 * sum_i factors[i] * row i, for public factors and secret rows of `words` words. Rows are first collected by the bits
 * of their factors, then the sums are joined by Horner's rule in x: branches depend on the public factors only.
 */
function combineRows(
  field: BinaryField,
  factors: readonly number[],
  rows: Uint32Array,
  words: number,
): Uint8Array {
  const planes = new Uint32Array(field.bits * words);
  for (let i = 0; i < factors.length; i++) {
    const row = i * words;
    for (let factor = factors[i], plane = 0; factor !== 0; factor >>>= 1, plane += words) {
      if ((factor & 1) === 0) continue;
      for (let w = 0; w < words; w++) planes[plane + w] ^= rows[row + w];
    }
  }
  const out = planes.slice((field.bits - 1) * words);
  for (let bit = field.bits - 2; bit >= 0; bit--) {
    for (let w = 0; w < words; w++) out[w] = field.doubleWord(out[w]) ^ planes[bit * words + w];
  }
  planes.fill(0);
  return new Uint8Array(out.buffer);
}

/**
 * Shamir shares at coordinates 1 to `count` of a secret (a multiple of 4 bytes): any `threshold` of them give it
 * back, fewer say nothing about it (Shamir 1979).
 */
export function splitSecret(
  secret: Uint8Array,
  threshold: number,
  count: number,
  random: RandomBytes,
): Uint8Array[] {
  const field = sharingField(count);
  const coefficients = new Uint8Array(secret.length * threshold);
  coefficients.set(secret);
  if (threshold > 1) {
    const drawn = randomSecret(random, secret.length * (threshold - 1));
    coefficients.set(drawn, secret.length);
    drawn.fill(0);
  }
  const rows = new Uint32Array(coefficients.buffer);
  const shares = Array.from({ length: count }, (_, i) => {
    const powers = [1];
    while (powers.length < threshold) powers.push(field.multiply(powers[powers.length - 1], i + 1));
    return combineRows(field, powers, rows, secret.length / 4);
  });
  coefficients.fill(0);
  return shares;
}

/**
 * Lagrange coefficients that evaluate the polynomial through distinct `coordinates` at `point`, not one of them;
 * the secret is at point 0. All of these are public.
 */
export function lagrangeAt(field: BinaryField, coordinates: readonly number[], point: number): number[] {
  let all = 1;
  for (const x of coordinates) all = field.multiply(all, point ^ x);
  return coordinates.map((xi) => {
    let denominator = point ^ xi;
    for (const xj of coordinates) if (xj !== xi) denominator = field.multiply(denominator, xi ^ xj);
    return field.multiply(all, field.inverse(denominator));
  });
}

/** sum_i coefficients[i] * shares[i]: the secret, or the value of the polynomial at the coefficients' point. */
export function combineShares(
  field: BinaryField,
  coefficients: readonly number[],
  shares: readonly Uint8Array[],
): Uint8Array {
  const { length } = shares[0];
  const rows = new Uint8Array(length * shares.length);
  shares.forEach((share, i) => rows.set(share, i * length));
  const out = combineRows(field, coefficients, new Uint32Array(rows.buffer), length / 4);
  rows.fill(0);
  return out;
}

/**
 * A function that recovers secrets from shares at fixed coordinates: the Lagrange coefficients are made once.
 * @param count number of shares that were dealt; decides the field
 * @param coordinates coordinates of the t shares that each call will bring, in that order
 */
export function recoverShares(
  count: number,
  coordinates: readonly number[],
): (shares: readonly Uint8Array[]) => Uint8Array {
  const field = sharingField(count);
  const coefficients = lagrangeAt(field, coordinates, 0);
  return (shares) => combineShares(field, coefficients, shares);
}
