import { equalBytes } from "./_bytes.ts";

/** The y-coordinates of the points of order 1, 2, 4 and 8 on edwards25519, canonical, sign bit clear. */
const SMALL_ORDER_Y = [
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
].map((hex) => Uint8Array.from({ length: 32 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16)));

/**
 * True for an Ed25519 public key of small order: under it one signature is valid for many messages. Libraries differ
 * on such keys, so both providers refuse them by this list.
 */
export function isSmallOrderEd25519(publicKey: Uint8Array): boolean {
  const y = publicKey.slice();
  y[31] &= 0x7f;
  return SMALL_ORDER_Y.some((small) => equalBytes(small, y));
}
