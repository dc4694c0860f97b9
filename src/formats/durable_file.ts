import { dirname } from "node:path";

/** Replaces a file so that a crash leaves the old or the new content, never a mix: write, fsync, rename, fsync folder. */
export async function writeDurable(path: string, data: Uint8Array | string, mode = 0o600): Promise<void> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  await Deno.mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  const file = await Deno.open(temporary, { write: true, create: true, truncate: true, mode });
  try {
    for (let offset = 0; offset < bytes.length;) offset += await file.write(bytes.subarray(offset));
    await file.sync();
  } finally {
    file.close();
  }
  await Deno.rename(temporary, path);
  try {
    using folder = await Deno.open(dirname(path));
    await folder.sync();
  } catch {
    // Some systems cannot open or fsync a folder; the rename itself is atomic there.
  }
}
