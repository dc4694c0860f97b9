import { publicArithmetic } from "./_public_field.ts";
import type { BinaryField } from "./shamir.ts";

/** x^8 + x^4 + x^3 + x + 1, the polynomial of AES, without its top bit. */
const REDUCTION = 0x1b;

/** Doubles four bytes at once: shift, then reduce those whose top bit was set. */
function doubleWord(word: number): number {
  return ((word & 0x7f7f7f7f) << 1) ^ (((word >>> 7) & 0x01010101) * REDUCTION);
}

/** GF(2^8) mod 0x11B, four elements to a word; 3 generates the multiplicative group. */
export const gf256: BinaryField = {
  bits: 8,
  doubleWord,
  ...publicArithmetic(8, (a) => (doubleWord(a) & 0xff) ^ a),
};
