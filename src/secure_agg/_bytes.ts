/** Joins byte strings. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Equality of public byte strings. Touches every byte, so a mismatch position does not show in the timing. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

// Node before 25 has no native one.
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) out += HEX[byte];
  return out;
}

/** Orders byte strings lexicographically. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/** The first 48 bits, as an exact number. */
export function prefix48(bytes: Uint8Array): number {
  return (bytes[0] + bytes[1] * 2 ** 8 + bytes[2] * 2 ** 16) * 2 ** 24 + bytes[3] + bytes[4] * 2 ** 8 +
    bytes[5] * 2 ** 16;
}

const encoder = new TextEncoder();

/** UTF-8 bytes of a string. */
export function utf8(text: string): Uint8Array {
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return encoder.encode(text);
    out[i] = code; // short ASCII names: the encoder's call alone takes longer
  }
  return out;
}

/** Two bytes, little-endian. */
export function u16(value: number): Uint8Array {
  const out = new Uint8Array(2); // Uint8Array.of() takes twenty times as long
  writeU16(out, 0, value);
  return out;
}

/** Four bytes, little-endian. */
export function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  writeU32(out, 0, value);
  return out;
}

/** Writes a number below 2^32 as four bytes, little-endian. */
export function writeU32(target: Uint8Array, offset: number, value: number): void {
  for (let i = 0; i < 4; i++) target[offset + i] = value >>> (8 * i);
}

/** Writes a number below 2^16 as two bytes, little-endian. */
export function writeU16(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value;
  target[offset + 1] = value >>> 8;
}
