import { protocolAbort } from "./errors.ts";

/**
 * How a coordinate of Z / 2^b travels: `word32` as 4 bytes little-endian, `packed20` two coordinates in 5 bytes
 * (the first in the low 20 bits of the 40-bit little-endian number; an odd last one in 3 bytes, spare bits zero).
 */
export type WireForm = "word32" | "packed20";

/** Bytes of `count` coordinates on the wire. */
export function wireBytes(form: WireForm, count: number): number {
  return form === "word32" ? 4 * count : Math.ceil(count / 2) * 5 - (count % 2 === 0 ? 0 : 2);
}

/** 2^b - 1 as an unsigned 32-bit number. */
export function ringMask(ringBits: number): number {
  return 0xffffffff >>> (32 - ringBits);
}

/** The words of a vector as little-endian bytes: a view where the machine is little-endian, as Deno's targets are. */
function asBytes(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** Coordinates below 2^20 to bytes; every word is masked by the caller already. */
function pack20(words: Uint32Array): Uint8Array {
  const out = new Uint8Array(wireBytes("packed20", words.length));
  const even = words.length & ~1;
  let at = 0;
  for (let i = 0; i < even; i += 2) {
    const a = words[i];
    const b = words[i + 1];
    out[at] = a;
    out[at + 1] = a >>> 8;
    out[at + 2] = (a >>> 16) | (b << 4);
    out[at + 3] = b >>> 4;
    out[at + 4] = b >>> 12;
    at += 5;
  }
  if (even < words.length) {
    out[at] = words[even];
    out[at + 1] = words[even] >>> 8;
    out[at + 2] = words[even] >>> 16;
  }
  return out;
}

/** Coordinates in wire form. `word32` gives a view of `words`, not a copy. */
export function toWire(form: WireForm, words: Uint32Array): Uint8Array {
  return form === "word32" ? asBytes(words) : pack20(words);
}

function outOfRange(): never {
  throw protocolAbort("value_out_of_range", "A masked coordinate lies outside the ring.", {
    needed: "every coordinate below 2^ringBits, spare bits zero",
  });
}

/**
 * Checks that every coordinate on the wire is a residue mod 2^b.
 * @throws SecAggError chunk_length or value_out_of_range
 */
export function checkWire(form: WireForm, ringBits: number, bytes: Uint8Array, count: number): void {
  if (bytes.length !== wireBytes(form, count)) {
    throw protocolAbort("chunk_length", "A chunk of a masked vector has the wrong length.", {
      found: `${bytes.length} bytes`,
      needed: `${wireBytes(form, count)} bytes for ${count} coordinates`,
    });
  }
  if (form === "packed20") {
    if (count % 2 === 1 && bytes[bytes.length - 1] > 15) outOfRange();
    if (ringBits === 20) return;
  } else if (ringBits === 32) return;
  const excess = ~ringMask(ringBits);
  const words = fromWire(form, bytes, count);
  let seen = 0;
  for (let i = 0; i < words.length; i++) seen |= words[i] & excess;
  if (seen !== 0) outOfRange();
}

/** The coordinates of checked wire bytes, as a new array. */
export function fromWire(form: WireForm, bytes: Uint8Array, count: number): Uint32Array {
  const words = new Uint32Array(count);
  if (form === "word32") asBytes(words).set(bytes);
  else addWire(form, bytes, words);
  return words;
}

/** accumulator += coordinates of checked wire bytes, mod 2^32; `packed20` is unpacked on the way. */
export function addWire(form: WireForm, bytes: Uint8Array, accumulator: Uint32Array): void {
  const count = accumulator.length;
  if (form === "word32") {
    if (bytes.byteOffset % 4 !== 0) {
      // Payloads follow a header of odd length, and such bytes cannot be viewed as words.
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let i = 0; i < count; i++) accumulator[i] += view.getUint32(4 * i, true);
      return;
    }
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, count);
    for (let i = 0; i < count; i++) accumulator[i] += words[i];
    return;
  }
  const even = count & ~1;
  let at = 0;
  for (let i = 0; i < even; i += 2) {
    const middle = bytes[at + 2];
    accumulator[i] += bytes[at] | (bytes[at + 1] << 8) | ((middle & 15) << 16);
    accumulator[i + 1] += (middle >>> 4) | (bytes[at + 3] << 4) | (bytes[at + 4] << 12);
    at += 5;
  }
  if (even < count) accumulator[even] += bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
}

/** Reduces every coordinate mod 2^b in place. */
export function reduceRing(words: Uint32Array, ringBits: number): void {
  const mask = ringMask(ringBits);
  for (let i = 0; i < words.length; i++) words[i] &= mask;
}
