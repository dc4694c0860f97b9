/** Reads bytes of a file; `onEnd` makes the error for a file that ends before. */
export async function readRange(
  path: string,
  offset: number,
  length: number,
  onEnd: (found: string, needed: string) => Error,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  using file = await Deno.open(path);
  await file.seek(offset, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < length) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) throw onEnd(`end of file at byte ${offset + filled}`, `${offset + length} bytes`);
    filled += count;
  }
  return bytes;
}
