/** Reads the writable memory of another process (Linux) and says where a byte string occurs in it. */
export async function memoryHolds(pid: number, needles: readonly Uint8Array[]): Promise<boolean[]> {
  const found = needles.map(() => false);
  const maps = await Deno.readTextFile(`/proc/${pid}/maps`);
  using memory = await Deno.open(`/proc/${pid}/mem`);
  const window = new Uint8Array(8 << 20);
  for (const line of maps.split("\n")) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (match === null) continue;
    const end = BigInt(`0x${match[2]}`);
    // Windows overlap by a needle's length, so that none is cut in two.
    for (let at = BigInt(`0x${match[1]}`); at < end; at += BigInt(window.length - 64)) {
      const length = Number(end - at < BigInt(window.length) ? end - at : BigInt(window.length));
      let size: number | null;
      try {
        await memory.seek(at, Deno.SeekMode.Start);
        size = await memory.read(window.subarray(0, length));
      } catch {
        break;
      }
      if (size === null) break;
      const view = new Uint8Array(window.buffer, 0, size);
      needles.forEach((needle, i) => {
        if (!found[i]) found[i] = indexOf(view, needle) >= 0;
      });
    }
  }
  return found;
}

function indexOf(haystack: Uint8Array, needle: Uint8Array): number {
  for (let at = haystack.indexOf(needle[0]); at >= 0; at = haystack.indexOf(needle[0], at + 1)) {
    let i = 1;
    while (i < needle.length && haystack[at + i] === needle[i]) i++;
    if (i === needle.length) return at;
  }
  return -1;
}
