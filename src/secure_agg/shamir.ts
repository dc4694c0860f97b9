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
  factors: ArrayLike<number>,
  rows: Int32Array,
  words: number,
): Uint8Array {
  const planes = new Int32Array(field.bits * words);
  for (let i = 0; i < factors.length; i++) {
    const row = i * words;
    for (let factor = factors[i]; factor !== 0; factor &= factor - 1) {
      const plane = words * (31 - Math.clz32(factor & -factor)); // the lowest bit that is set
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
  const words = secret.length / 4;
  const tables = multiplesByNibble(field, new Int32Array(coefficients.buffer), words);
  const powers = coordinatePowers(field, threshold, count);
  const shares = new Int32Array(words * count);
  const perCoefficient = field.bits / 4;
  const rows = new Int32Array(threshold * perCoefficient);
  for (let i = 0; i < count; i++) {
    // First where the products are, which is public; then their sum word by word, which stays in a register.
    let nibble = 0;
    for (let j = 0; j < threshold; j++) {
      let power = powers[i * threshold + j];
      for (let k = 0; k < perCoefficient; k++, power >>>= 4, nibble++) {
        rows[nibble] = (16 * nibble + (power & 15)) * words;
      }
    }
    for (let w = 0; w < words; w++) {
      let sum = 0;
      for (let row = 0; row < nibble; row++) sum ^= tables[rows[row] + w];
      shares[i * words + w] = sum;
    }
  }
  coefficients.fill(0);
  tables.fill(0);
  const { length } = secret;
  return Array.from({ length: count }, (_, i) => new Uint8Array(shares.buffer, i * length, length));
}

/**
 * For every row its products with 0 to 15, then with 16 times 0 to 15, and so on: a product with a public factor is then
 * one addition per four bits. Rows are secret, and no branch or address depends on them.
 */
function multiplesByNibble(field: BinaryField, rows: Int32Array, words: number): Int32Array {
  const tables = new Int32Array(rows.length * field.bits * 4);
  for (let start = 0, table = 0; start < rows.length; start += words) {
    const bit = rows.slice(start, start + words);
    for (let nibble = 0; nibble < field.bits / 4; nibble++, table += 16 * words) {
      for (let size = 1; size < 16; size *= 2) {
        for (let i = 0; i < size * words; i++) {
          tables[table + size * words + i] = tables[table + i] ^ bit[i % words];
        }
        for (let w = 0; w < words; w++) bit[w] = field.doubleWord(bit[w]);
      }
    }
    bit.fill(0);
  }
  return tables;
}

let lastPowers = { key: "", powers: new Uint16Array(0) };

/** Powers 0 to threshold - 1 of the coordinates 1 to count, row by row: public, and the same for all sites of a round. */
function coordinatePowers(field: BinaryField, threshold: number, count: number): Uint16Array {
  const key = `${field.bits} ${threshold} ${count}`;
  if (lastPowers.key === key) return lastPowers.powers;
  const powers = new Uint16Array(threshold * count);
  for (let i = 0; i < count; i++) {
    powers[i * threshold] = 1;
    for (let j = 1; j < threshold; j++) {
      const at = i * threshold + j;
      powers[at] = field.multiply(powers[at - 1], i + 1);
    }
  }
  lastPowers = { key, powers };
  return powers;
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
  const out = combineRows(field, coefficients, new Int32Array(rows.buffer), length / 4);
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
