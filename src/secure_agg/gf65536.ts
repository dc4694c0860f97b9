import { publicArithmetic } from "./_public_field.ts";
import type { BinaryField } from "./shamir.ts";

/** x^16 + x^12 + x^3 + x + 1 (0x1100B), without its top bit. */
const REDUCTION = 0x100b;

/** Doubles two 16-bit elements at once: shift, then reduce those whose top bit was set. */
function doubleWord(word: number): number {
  return ((word & 0x7fff7fff) << 1) ^ (((word >>> 15) & 0x00010001) * REDUCTION);
}

/** GF(2^16) mod 0x1100B, two little-endian elements to a word; 2 generates the multiplicative group. */
export const gf65536: BinaryField = {
  bits: 16,
  doubleWord,
  ...publicArithmetic(16, (a) => doubleWord(a) & 0xffff),
};
