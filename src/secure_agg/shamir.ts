import type { RandomBytes } from "../formats/random_bytes.ts";
import { gf256 } from "./gf256.ts";
import { gf65536 } from "./gf65536.ts";
import { randomSecret } from "./randomness.ts";

/** A binary field whose elements are packed in 32-bit words, several to a word. */
export interface BinaryField {
  /** Largest coordinate of a share: one less than the number of field elements. */
  readonly maxCoordinate: number;
  /** Multiplies every packed element of `word` by the public element `factor`; no secret decides a branch or address. */
  multiplyWord(word: number, factor: number): number;
  /** Product of two public elements. */
  readonly multiply: (a: number, b: number) => number;
  /** Inverse of a public element, not zero. */
  readonly inverse: (a: number) => number;
}

/** GF(2^8) up to 255 shares, GF(2^16) above: a share is as long as the secret in both. */
export function sharingField(shares: number): BinaryField {
  return shares <= gf256.maxCoordinate ? gf256 : gf65536;
}

/** Copies a secret of a multiple of four bytes into words. */
function toWords(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
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
  const words = secret.length / 4;
  const coefficients = new Uint32Array(words * threshold);
  const constant = toWords(secret);
  coefficients.set(constant);
  if (threshold > 1) {
    const drawn = randomSecret(random, secret.length * (threshold - 1));
    const rest = toWords(drawn);
    coefficients.set(rest, words);
    drawn.fill(0);
    rest.fill(0);
  }
  const shares: Uint8Array[] = [];
  for (let x = 1; x <= count; x++) shares.push(evaluate(field, coefficients, words, x));
  coefficients.fill(0);
  constant.fill(0);
  return shares;
}

/** Horner's rule at the public coordinate x. */
function evaluate(field: BinaryField, coefficients: Uint32Array, words: number, x: number): Uint8Array {
  const out = coefficients.slice(coefficients.length - words);
  for (let base = coefficients.length - 2 * words; base >= 0; base -= words) {
    for (let w = 0; w < words; w++) out[w] = field.multiplyWord(out[w], x) ^ coefficients[base + w];
  }
  return new Uint8Array(out.buffer);
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
  const out = new Uint32Array(shares[0].length / 4);
  shares.forEach((share, i) => {
    const words = toWords(share);
    for (let w = 0; w < out.length; w++) out[w] ^= field.multiplyWord(words[w], coefficients[i]);
  });
  return new Uint8Array(out.buffer);
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
