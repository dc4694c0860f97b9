import { crc32 } from "node:zlib";
import { join } from "node:path";
import { FedKimError } from "../../formats/errors.ts";
import type { Body, Bytes } from "./store.ts";

/** Bodies from this size on are worth a file: smaller ones are written to the database faster. */
const SPOOLED_BYTES = 16_384;

/** Bytes of a {@link SpooledBody} as the database keeps it, beside the file's name. */
const REFERENCE_BYTES = 16;

/** Where a body lies. */
export interface SpooledBody {
  /** Name of the file. */
  readonly file: string;
  /** Its first byte there. */
  readonly place: number;
  /** Its length, bytes. */
  readonly length: number;
  /** CRC-32 of it: the disk may have lost what was not synced. */
  readonly crc: number;
}

/** A file that this process writes the bodies of one stream to. */
interface Writer {
  readonly name: string;
  /** Open from the first body on. */
  file: Deno.FsFile | undefined;
  /** Where the next body goes. */
  end: number;
  /** True while something of it may be lost with the power. */
  unsynced: boolean;
  /** Writes whose rows are not committed yet. */
  uncommitted: number;
  /** Settles when everything that was asked for is done. */
  last: Promise<void>;
}

/**
 * Large bodies of a SQLite store's entries, in files of a folder beside it: written and read by the system's file threads
 * and not in the one thread that answers requests, once instead of to a log and again to a page. Each process writes one
 * file for each stream, and appends only. A body is whole before its row is committed; what no row refers to is nothing.
 */
export class Spool {
  readonly #writers = new Map<string, Writer>();
  /** True while the name of a new file may be lost with the power. */
  #unnamed = false;
  /** Settles when all syncs that were asked for are done. */
  #syncing: Promise<void> = Promise.resolve();

  /** @param folder made when it is needed, for its owner only */
  constructor(private readonly folder: string) {}

  /** True for bodies that belong here. */
  takes(body: Body): boolean {
    return lengthOf(body) >= SPOOLED_BYTES;
  }

  /**
   * Writes a body; it survives the process then. {@link Spool.committed} must follow once its row is committed or was not.
   * @throws FedKimError `StoreError`, reason `unreachable`, where the disk does not take it
   */
  write(stream: string, body: Body): Promise<SpooledBody> {
    const writer = this.#writerOf(stream);
    writer.uncommitted++;
    const written = writer.last.then(() => this.#append(writer, body));
    writer.last = written.then(() => {}, () => {});
    return written;
  }

  /** Says that the rows of so many writes are committed, or will not be. */
  committed(stream: string, writes: number): void {
    const writer = this.#writers.get(stream);
    if (writer !== undefined) writer.uncommitted -= writes;
  }

  /** Resolves when everything that was written for a stream survives the loss of power. @throws FedKimError `StoreError` */
  async sync(stream: string): Promise<void> {
    const writer = this.#writers.get(stream);
    if (writer === undefined) return;
    await writer.last;
    // One after the other: whoever finds nothing left to sync must not be ahead of the one that is at it.
    const synced = this.#syncing.then(() => this.#sync(writer));
    this.#syncing = synced.catch(() => {});
    await synced;
  }

  async #sync(writer: Writer): Promise<void> {
    if (!writer.unsynced || writer.file === undefined) return;
    writer.unsynced = false;
    try {
      await writer.file.syncData();
      if (this.#unnamed) await this.#syncFolder();
    } catch (cause) {
      writer.unsynced = true;
      throw unwritable(cause);
    }
  }

  /** Reads bodies back, each undefined where its file does not hold it as it was written. */
  async read(bodies: readonly SpooledBody[]): Promise<(Bytes | undefined)[]> {
    const files = new Map<string, Deno.FsFile | undefined>();
    try {
      const found: (Bytes | undefined)[] = [];
      for (const body of bodies) {
        if (!files.has(body.file)) files.set(body.file, await this.#openToRead(body.file));
        const file = files.get(body.file);
        found.push(file && await readWhole(file, body));
      }
      return found;
    } finally {
      for (const file of files.values()) file?.close();
    }
  }

  /** Removes the files of a stream that is forgotten; one that rows may still come for is left to {@link Spool.sweep}. */
  async forget(stream: string, files: readonly string[]): Promise<void> {
    const writer = this.#writers.get(stream);
    const busy = writer !== undefined && writer.uncommitted > 0;
    if (writer !== undefined && !busy) {
      this.#writers.delete(stream);
      writer.file?.close();
    }
    const names = new Set(files);
    if (writer?.file !== undefined) names.add(writer.name);
    for (const name of names) if (!busy || name !== writer.name) await this.#remove(name);
  }

  /** Removes all files but these and those that this process writes. */
  async sweep(keep: ReadonlySet<string>): Promise<void> {
    const written = new Set([...this.#writers.values()].map(({ name }) => name));
    for (const name of await this.#names()) {
      if (!keep.has(name) && !written.has(name)) await this.#remove(name);
    }
  }

  /** Closes all files. */
  async close(): Promise<void> {
    for (const writer of this.#writers.values()) {
      await writer.last;
      writer.file?.close();
    }
    this.#writers.clear();
  }

  #writerOf(stream: string): Writer {
    const known = this.#writers.get(stream);
    if (known !== undefined) return known;
    const writer: Writer = {
      name: crypto.randomUUID(),
      file: undefined,
      end: 0,
      unsynced: false,
      uncommitted: 0,
      last: Promise.resolve(),
    };
    this.#writers.set(stream, writer);
    return writer;
  }

  async #append(writer: Writer, body: Body): Promise<SpooledBody> {
    const { name, end: place } = writer;
    let crc = 0;
    let length = 0;
    try {
      writer.file ??= await this.#create(name);
      writer.unsynced = true;
      for (const piece of piecesOf(body)) {
        for (let at = 0; at < piece.length;) at += await writer.file.write(piece.subarray(at));
        crc = crc32(piece, crc);
        length += piece.length;
      }
    } catch (cause) {
      // The next body goes where this one would have been, and its bytes are room for others until then.
      await writer.file?.truncate(place).catch(() => {});
      await writer.file?.seek(place, Deno.SeekMode.Start).catch(() => {});
      throw unwritable(cause);
    }
    writer.end += length;
    return { file: name, place, length, crc };
  }

  async #create(name: string): Promise<Deno.FsFile> {
    await Deno.mkdir(this.folder, { recursive: true, mode: 0o700 });
    const file = await Deno.open(join(this.folder, name), { write: true, createNew: true, mode: 0o600 });
    this.#unnamed = true;
    return file;
  }

  /** Makes the names of new files, and of the folder itself, survive the loss of power. */
  async #syncFolder(): Promise<void> {
    this.#unnamed = false;
    for (const path of [this.folder, join(this.folder, "..")]) {
      try {
        using folder = await Deno.open(path);
        await folder.sync();
      } catch {
        // Some systems cannot open or fsync a folder; names are durable there as they are.
      }
    }
  }

  async #openToRead(name: string): Promise<Deno.FsFile | undefined> {
    try {
      return await Deno.open(join(this.folder, name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  async #names(): Promise<string[]> {
    try {
      return (await Array.fromAsync(Deno.readDir(this.folder))).map(({ name }) => name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  async #remove(name: string): Promise<void> {
    try {
      await Deno.remove(join(this.folder, name));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** What the database keeps of a spooled body beside the file's name. */
export function encodeReference({ place, length, crc }: SpooledBody): Uint8Array {
  const view = new DataView(new ArrayBuffer(REFERENCE_BYTES));
  view.setBigUint64(0, BigInt(place));
  view.setUint32(8, length);
  view.setUint32(12, crc);
  return new Uint8Array(view.buffer);
}

/** Reads {@link encodeReference}'s bytes. */
export function decodeReference(file: string, { buffer, byteOffset }: Uint8Array): SpooledBody {
  const view = new DataView(buffer, byteOffset, REFERENCE_BYTES);
  return {
    file,
    place: Number(view.getBigUint64(0)),
    length: view.getUint32(8),
    crc: view.getUint32(12),
  };
}

/** A body in one array. */
export function joined(body: Body): Uint8Array {
  if (body instanceof Uint8Array) return body;
  const bytes = new Uint8Array(lengthOf(body));
  let at = 0;
  for (const piece of body) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function piecesOf(body: Body): readonly Uint8Array[] {
  return body instanceof Uint8Array ? [body] : body;
}

function lengthOf(body: Body): number {
  return piecesOf(body).reduce((sum, { length }) => sum + length, 0);
}

async function readWhole(file: Deno.FsFile, { place, length, crc }: SpooledBody): Promise<Bytes | undefined> {
  if ((await file.stat()).size < place + length) return undefined;
  const bytes = new Uint8Array(length);
  await file.seek(place, Deno.SeekMode.Start);
  for (let at = 0; at < length;) {
    const read = await file.read(bytes.subarray(at));
    if (read === null) return undefined;
    at += read;
  }
  return crc32(bytes) === crc ? bytes : undefined;
}

function unwritable(cause: unknown): FedKimError {
  return new FedKimError("StoreError", "The disk did not take what was uploaded.", {
    reason: "unreachable",
    found: cause instanceof Error ? cause.message : String(cause),
    remedy: "look at free disk space",
    cause,
  });
}
