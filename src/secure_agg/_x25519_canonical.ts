/**
 * True for a u-coordinate below p = 2^255 - 19 with the top bit clear. RFC 7748 would mask and reduce others;
 * we refuse them, so that one key has one encoding and the check for distinct keys means what it says.
 */
export function isCanonicalX25519(publicKey: Uint8Array): boolean {
  if (publicKey.length !== 32 || publicKey[31] > 0x7f) return false;
  if (publicKey[31] < 0x7f) return true;
  for (let i = 30; i > 0; i--) if (publicKey[i] !== 0xff) return true;
  return publicKey[0] < 0xed;
}

/** True if all bytes are zero: the shared secret of a low-order point. Touches every byte. */
export function isAllZero(bytes: Uint8Array): boolean {
  let any = 0;
  for (const byte of bytes) any |= byte;
  return any === 0;
}
