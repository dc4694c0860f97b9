import { FedKimError } from "../formats/errors.ts";
import { elements, type NpyArray, type NpyHeader, parseNpyHeader } from "../formats/npy.ts";

/** Rows of an NPY file on disk, read one at a time, so that a large array never has to fit in memory. */
export class NpyRows {
  readonly #file: Deno.FsFile;
  readonly #header: NpyHeader;
  readonly #rowBytes: number;

  private constructor(file: Deno.FsFile, header: NpyHeader, fileBytes: number) {
    this.#file = file;
    this.#header = header;
    this.#rowBytes = header.shape[0] > 0 ? (fileBytes - header.dataOffset) / header.shape[0] : 0;
  }

  /** Opens a file and checks its header. */
  static async open(path: string): Promise<NpyRows> {
    let file: Deno.FsFile;
    try {
      file = await Deno.open(path);
    } catch (cause) {
      throw new FedKimError("DatasetError", `${path} cannot be opened.`, {
        needed: "the array that dataset.json names",
        cause,
      });
    }
    try {
      const { size } = await file.stat();
      const start = new Uint8Array(Math.min(size, 70_000));
      readFully(file, start);
      return new NpyRows(file, parseNpyHeader(start, size, path), size);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Extents of the whole array. */
  get shape(): readonly number[] {
    return this.#header.shape;
  }

  /** Element type. */
  get dtype(): NpyHeader["dtype"] {
    return this.#header.dtype;
  }

  /** Reads row `index`, which must lie inside the array. */
  row(index: number): NpyArray {
    const bytes = new Uint8Array(this.#rowBytes);
    this.#file.seekSync(this.#header.dataOffset + index * this.#rowBytes, Deno.SeekMode.Start);
    readFully(this.#file, bytes);
    return elements(this.#header, bytes);
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function readFully(file: Deno.FsFile, into: Uint8Array): void {
  for (let filled = 0; filled < into.length;) {
    const got = file.readSync(into.subarray(filled));
    if (got === null) throw new FedKimError("DatasetError", "An array was cut short while it was read.");
    filled += got;
  }
}
