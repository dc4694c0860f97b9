import { publicArithmetic } from "./_public_field.ts";
import type { BinaryField } from "./shamir.ts";

/** x^16 + x^12 + x^3 + x + 1 (0x1100B), without its top bit. */
const REDUCTION = 0x100b;

function multiplyWord(word: number, factor: number): number {
  let product = 0;
  let term = word;
  for (let f = factor; f !== 0; f >>>= 1) {
    product ^= term & -(f & 1);
    // Doubles both 16-bit elements at once: shift, then reduce those whose top bit was set.
    term = ((term & 0x7fff7fff) << 1) ^ (((term >>> 15) & 0x00010001) * REDUCTION);
  }
  return product;
}

/** GF(2^16) mod 0x1100B, two little-endian elements to a word. */
export const gf65536: BinaryField = {
  maxCoordinate: 65_535,
  multiplyWord,
  ...publicArithmetic(16, 2, (a, b) => multiplyWord(a, b) & 0xffff),
};
