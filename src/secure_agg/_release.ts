/**
 * Gives the memory of a byte array back now, if the array is all of its buffer: waiting for the collector would hold
 * tens of megabytes. The array is empty afterwards.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length) buffer.transfer?.(0);
}
