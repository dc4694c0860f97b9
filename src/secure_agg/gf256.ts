import { publicArithmetic } from "./_public_field.ts";
import type { BinaryField } from "./shamir.ts";

/** x^8 + x^4 + x^3 + x + 1, the polynomial of AES, without its top bit. */
const REDUCTION = 0x1b;

function multiplyWord(word: number, factor: number): number {
  let product = 0;
  let term = word;
  for (let f = factor; f !== 0; f >>>= 1) {
    product ^= term & -(f & 1);
    // Doubles the four bytes at once: shift, then reduce those whose top bit was set.
    term = ((term & 0x7f7f7f7f) << 1) ^ (((term >>> 7) & 0x01010101) * REDUCTION);
  }
  return product;
}

/** GF(2^8) mod 0x11B, four elements to a word. */
export const gf256: BinaryField = {
  maxCoordinate: 255,
  multiplyWord,
  ...publicArithmetic(8, 3, (a, b) => multiplyWord(a, b) & 0xff),
};
