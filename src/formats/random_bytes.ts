/**
 * Source of secret random bytes. The product always uses {@link cryptoRandomBytes}; tests inject their own.
 * @param length number of bytes wanted
 */
export type RandomBytes = (length: number) => Uint8Array;

/** WebCrypto fills at most this many bytes a call. */
const MAX_FILL = 65_536;

/** Bytes of the operating system's CSPRNG through WebCrypto, of any length. */
export function cryptoRandomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let offset = 0; offset < length; offset += MAX_FILL) {
    crypto.getRandomValues(bytes.subarray(offset, Math.min(offset + MAX_FILL, length)));
  }
  return bytes;
}
