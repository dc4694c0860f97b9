import { FedKimError } from "../../formats/errors.ts";
import { badFile, causeText } from "./source_errors.ts";

/**
 * Opens a source file.
 *
 * @param path the file
 * @returns the open file; the caller closes it
 * @throws FedKimError `DatasetError` when it does not exist or cannot be read
 */
export async function openSource(path: string): Promise<Deno.FsFile> {
  try {
    const file = await Deno.open(path);
    if ((await file.stat()).isFile) return file;
    file.close();
  } catch (cause) {
    throw new FedKimError("DatasetError", `${path} cannot be opened.`, {
      found: cause instanceof Error ? cause.name : "an unknown failure",
      needed: "a readable file",
      remedy: "check the path and its permissions",
      cause,
    });
  }
  throw new FedKimError("DatasetError", `${path} cannot be opened.`, {
    found: "something that is no file",
    needed: "a readable file",
  });
}

/**
 * Reads exactly the bytes from `offset` on, or fewer at the end of the file.
 *
 * @param file an open file
 * @param offset first byte
 * @param length number of bytes
 */
export function readAt(file: Deno.FsFile, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.seekSync(offset, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < length) {
    const got = file.readSync(bytes.subarray(filled));
    if (got === null) return bytes.slice(0, filled);
    filled += got;
  }
  return bytes;
}

/**
 * Reads a whole file whose size is checked before anything is allocated; gzip is inflated under the same bound.
 *
 * @param path the file
 * @param limit most bytes, before and after inflation
 * @param format what it is read as, for messages
 * @throws FedKimError `DatasetError` when it cannot be opened, `FormatError` when it is larger or damaged
 */
export async function readWhole(
  path: string,
  limit: number,
  format: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await openSource(path);
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    const { size } = await file.stat();
    if (size > limit) throw badFile(path, format, `${size} bytes`, `at most ${limit} bytes`);
    bytes = readAt(file, 0, size);
  } finally {
    file.close();
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of inflate(new Blob([bytes]).stream(), "gzip", path, limit)) {
    chunks.push(chunk);
    total += chunk.length;
  }
  const whole = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/**
 * Inflates a stream chunk by chunk and stops at the bound, so that a zip bomb costs no memory.
 *
 * @param stream compressed bytes
 * @param format `gzip`, or `deflate` for a zlib stream
 * @param file name of the file, for messages
 * @param limit most bytes to inflate to
 * @throws FedKimError `FormatError` when the stream is damaged, cut short or larger
 */
export async function* inflate(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  format: "gzip" | "deflate",
  file: string,
  limit: number,
): AsyncGenerator<Uint8Array> {
  let total = 0;
  try {
    for await (const chunk of stream.pipeThrough(new DecompressionStream(format))) {
      total += chunk.length;
      if (total > limit) {
        throw badFile(file, format, `more than ${limit} bytes after inflation`, `at most ${limit} bytes`);
      }
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof FedKimError) throw cause;
    throw badFile(file, format, causeText(cause), "an undamaged, complete stream", cause);
  }
}

/**
 * The regular files of a folder and its sub-folders in a fixed order; links are not followed.
 *
 * @param path a folder, or a single file
 * @throws FedKimError `DatasetError` when it cannot be read
 */
export async function listSources(path: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    const entries: Deno.DirEntry[] = [];
    for await (const entry of Deno.readDir(folder)) entries.push(entry);
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (entry.isDirectory) await visit(`${folder}/${entry.name}`);
      else if (entry.isFile) found.push(`${folder}/${entry.name}`);
    }
  };
  try {
    if ((await Deno.stat(path)).isFile) return [path];
    await visit(path.replace(/\/+$/, ""));
  } catch (cause) {
    throw new FedKimError("DatasetError", `${path} cannot be read.`, {
      found: cause instanceof Error ? cause.name : "an unknown failure",
      needed: "a file or a folder of files",
      cause,
    });
  }
  return found;
}
