import { dirname } from "node:path";
import { FedKimError } from "./errors.ts";

/**
 * Replaces a file so that a crash or a full disk leaves the old or the new content, never a mix: write, fsync, rename,
 * fsync folder. Folders that are missing are made; for a file that only its owner may read, only its owner may enter them.
 * @throws FedKimError `StoreError`, reason `disk_full`
 */
export async function writeDurable(path: string, data: Uint8Array | string, mode = 0o600): Promise<void> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await Deno.mkdir(dirname(path), { recursive: true, mode: (mode & 0o077) === 0 ? 0o700 : 0o777 });
    using file = await Deno.open(temporary, { write: true, create: true, truncate: true, mode });
    for (let offset = 0; offset < bytes.length;) offset += await file.write(bytes.subarray(offset));
    await file.sync();
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw asDiskFull(path, error);
  }
  await Deno.rename(temporary, path);
  try {
    using folder = await Deno.open(dirname(path));
    await folder.sync();
  } catch {
    // Some systems cannot open or fsync a folder; the rename itself is atomic there.
  }
}

/**
 * A full disk in this program's words, also where it is the cause of what is said; every other error as it is.
 * @param path what was written
 * @param error what the system said, or an error that it caused
 */
export function asDiskFull(path: string, error: unknown): unknown {
  const full = noRoomBehind(error);
  if (full === undefined) return error;
  return new FedKimError("StoreError", "The disk is full.", {
    reason: "disk_full",
    found: `${full.message} at ${path}`,
    remedy: "make room, then start the same command again: the file keeps its old content",
    cause: full,
  });
}

function noRoomBehind(error: unknown): Error | undefined {
  // One that says so already stays as it is.
  if (!(error instanceof Error) || (error instanceof FedKimError && error.code === "StoreError")) {
    return undefined;
  }
  const { code } = error as { readonly code?: unknown };
  return code === "ENOSPC" || code === "EDQUOT" ? error : noRoomBehind(error.cause);
}
