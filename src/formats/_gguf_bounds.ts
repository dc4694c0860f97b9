/** Bytes of a metadata value by its type number; strings (8) and lists (9) have their own length. */
const SIZES: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const STRING = 8;
const LIST = 9;
/** Most axes of a tensor. */
const MOST_AXES = 8;

/**
 * Walks over a GGUF header (ggml's docs/gguf.md) and checks that every length and count in it stays inside the bytes. A
 * reader that fetches what a header asks for can otherwise wait for ever at the end of a file that was cut short.
 *
 * @param bytes the file's first bytes, the whole header among them
 * @throws RangeError which says what does not fit
 */
export function checkGgufBounds(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 4;
  const skip = (length: number): number => {
    if (!(length >= 0) || length > view.byteLength - at) {
      throw new RangeError("a length beyond the end of the file, or a file that is cut short");
    }
    at += length;
    return at - length;
  };
  const u32 = (): number => view.getUint32(skip(4), true);
  const version = u32();
  if (version < 1 || version > 3) throw new RangeError(`version ${version}`);
  // Version 1 had counts of 32 bits.
  const count = (): number => version === 1 ? u32() : Number(view.getBigUint64(skip(8), true));
  const text = (): void => void skip(count());
  const value = (type: number, depth: number): void => {
    if (type === STRING) return text();
    if (type !== LIST) {
      if (SIZES[type] === undefined) throw new RangeError(`a value of type ${type}`);
      return void skip(SIZES[type]);
    }
    if (depth === 0) throw new RangeError("lists that are nested too deeply");
    const inner = u32();
    const length = count();
    if (SIZES[inner] !== undefined) return void skip(length * SIZES[inner]);
    for (let i = 0; i < length; i++) value(inner, depth - 1);
  };
  const tensors = count();
  const pairs = count();
  // A tensor takes 20 bytes at least, a key with its value 9.
  if (!(20 * tensors <= view.byteLength)) {
    throw new RangeError(`Tensor count ${tensors}, more than the file can hold`);
  }
  if (!(9 * pairs <= view.byteLength)) {
    throw new RangeError(`a metadata count of ${pairs}, more than the file can hold`);
  }
  for (let i = 0; i < pairs; i++) {
    text();
    value(u32(), 4);
  }
  for (let i = 0; i < tensors; i++) {
    text();
    const axes = u32();
    if (axes > MOST_AXES) throw new RangeError(`a tensor of ${axes} axes`);
    for (let axis = 0; axis < axes; axis++) count();
    u32();
    skip(8);
  }
}
