import { join } from "node:path";
import { FedKimError } from "../formats/errors.ts";
import type { FeatureColumns } from "./features.ts";

/** Rows that lie closer together than this are read in one piece, bytes. */
const LARGEST_GAP = 16 * 1024;
/** Largest piece that is read or written at once, bytes. */
const BUFFER = 1024 * 1024;

/** How names of feature files begin. */
const PREFIX = "features-";

/** One column of a set: values per record, and where they lie in a row of the file. */
interface Column {
  readonly width: number;
  readonly offset: number;
}

/**
 * Features of records in a file, a row of float32 values each: what does not fit into memory. The file is readable by
 * its owner only, and where the system allows it has no name any more: then it is gone as soon as the process is,
 * however that ends.
 */
export class FeatureFile {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  readonly #columns: readonly Column[];
  /** Values of a row. */
  readonly #width: number;
  readonly #named: boolean;
  #closed = false;
  #rows = 0;

  private constructor(file: Deno.FsFile, path: string, named: boolean, widths: readonly number[]) {
    this.#file = file;
    this.#path = path;
    this.#named = named;
    let offset = 0;
    this.#columns = widths.map((width) => {
      offset += width;
      return { width, offset: offset - width };
    });
    this.#width = offset;
  }

  /**
   * Makes an empty file, locked for as long as it is open, so that {@link sweepFeatureFiles} knows it is in use.
   *
   * @param folder where
   * @param one columns of one row, which give every row's form
   */
  static async create(folder: string, one: FeatureColumns): Promise<FeatureFile> {
    const path = join(folder, PREFIX + crypto.randomUUID());
    const options = { createNew: true, read: true, write: true, mode: 0o600 };
    const file = await Deno.open(path, options).catch((cause) => Promise.reject(unusable(path, cause)));
    await file.lock(true);
    // Windows keeps the name of an open file; it is removed at the end then.
    const named = await Deno.remove(path).then(() => false, () => true);
    return new FeatureFile(file, path, named, arraysOf(one).map((array) => array.length));
  }

  /** Bytes of a row. */
  get rowBytes(): number {
    return 4 * this.#width;
  }

  /** Appends the first rows of some columns. */
  async append(columns: FeatureColumns, rows: number): Promise<void> {
    const arrays = arraysOf(columns);
    const most = Math.max(1, Math.floor(BUFFER / this.rowBytes));
    await this.#file.seek(this.#rows * this.rowBytes, Deno.SeekMode.Start);
    for (let start = 0; start < rows; start += most) {
      const count = Math.min(most, rows - start);
      const values = new Float32Array(count * this.#width);
      this.#columns.forEach(({ width, offset }, index) => {
        const array = arrays[index];
        for (let row = 0; row < count; row++) {
          const from = (start + row) * width;
          for (let k = 0; k < width; k++) values[row * this.#width + offset + k] = array[from + k];
        }
      });
      const bytes = new Uint8Array(values.buffer);
      try {
        for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
      } catch (cause) {
        throw unusable(this.#path, cause);
      }
    }
    this.#rows += rows;
  }

  /** Reads rows, given in rising order, into columns that have room for them. */
  read(rows: ArrayLike<number>, into: FeatureColumns): void {
    const arrays = arraysOf(into);
    for (let first = 0; first < rows.length;) {
      let end = first + 1;
      while (end < rows.length && this.#near(rows[first], rows[end - 1], rows[end])) end++;
      const values = this.#piece(rows[first], rows[end - 1] + 1);
      this.#columns.forEach(({ width, offset }, index) => {
        const array = arrays[index];
        for (let i = first; i < end; i++) {
          const from = (rows[i] - rows[first]) * this.#width + offset;
          for (let k = 0; k < width; k++) array[i * width + k] = values[from + k];
        }
      });
      first = end;
    }
  }

  /** Overwrites rows by zeros. */
  erase(rows: ArrayLike<number>): void {
    const zeros = new Uint8Array(this.rowBytes);
    try {
      for (let i = 0; i < rows.length; i++) {
        this.#file.seekSync(rows[i] * this.rowBytes, Deno.SeekMode.Start);
        for (let at = 0; at < zeros.length;) at += this.#file.writeSync(zeros.subarray(at));
      }
      this.#file.syncDataSync();
    } catch (cause) {
      throw unusable(this.#path, cause);
    }
  }

  #near(first: number, last: number, next: number): boolean {
    return (next - last) * this.rowBytes <= LARGEST_GAP && (next + 1 - first) * this.rowBytes <= BUFFER;
  }

  #piece(from: number, to: number): Float32Array {
    const values = new Float32Array((to - from) * this.#width);
    const bytes = new Uint8Array(values.buffer);
    this.#file.seekSync(from * this.rowBytes, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) {
      const got = this.#file.readSync(bytes.subarray(at));
      if (got === null) throw new FedKimError("InternalError", "The features of this site were cut short.");
      at += got;
    }
    return values;
  }

  /** Removes the file; a second call does nothing. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
    if (this.#named) Deno.removeSync(this.#path);
  }
}

/**
 * Removes feature files that a killed process left in a folder: only where a file's name could not be removed while it
 * was open. Files that a living process holds are locked, and stay.
 *
 * @throws FedKimError `ConfigError` where such a file can be neither opened nor removed
 */
export async function sweepFeatureFiles(folder: string): Promise<void> {
  let names: string[];
  try {
    names = Array.from(Deno.readDirSync(folder), ({ name }) => name).filter((name) =>
      name.startsWith(PREFIX)
    );
  } catch (cause) {
    throw unusable(folder, cause);
  }
  for (const path of names.map((name) => join(folder, name))) {
    try {
      {
        using file = await Deno.open(path, { read: true, write: true });
        if (!await file.tryLock(true)) continue;
      }
      await Deno.remove(path);
    } catch (cause) {
      if (!(cause instanceof Deno.errors.NotFound)) throw unusable(path, cause);
    }
  }
}

function unusable(path: string, cause: unknown): FedKimError {
  return new FedKimError("ConfigError", "The features of this site's records cannot be kept on disk.", {
    found: `${path}: ${cause instanceof Error ? cause.name : "an unknown failure"}`,
    needed: "a state folder on a disk with room, in which this process may make files",
    cause,
  });
}

/** All arrays of some columns, in an order that depends on the model and the set only. */
function arraysOf({ tokens, labels }: FeatureColumns): (Float32Array | Uint8Array)[] {
  return [
    ...[...tokens.values()].flatMap(({ data, present, mask }) =>
      mask === undefined ? [data, present] : [data, present, mask]
    ),
    ...[...labels.values()].flatMap(({ data, known, outside }) => [data, known, outside]),
  ];
}
