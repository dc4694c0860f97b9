import { FedKimError } from "../../formats/errors.ts";

const HEADER_BYTES = 128;

/** Appends rows to an NPY file; the number of rows is written into the header at the end. */
export class NpyAppender {
  readonly #file: Deno.FsFile;
  readonly #descr: string;
  #rowShape: readonly number[] | undefined;
  #rows = 0;

  private constructor(file: Deno.FsFile, descr: string) {
    this.#file = file;
    this.#descr = descr;
  }

  /** Creates the file. */
  static async create(path: string, descr: "|u1" | "<i2"): Promise<NpyAppender> {
    const file = await Deno.open(path, { createNew: true, write: true });
    file.writeSync(new Uint8Array(HEADER_BYTES));
    return new NpyAppender(file, descr);
  }

  /** Appends one row and returns its index; every row has the shape of the first. */
  append(shape: readonly number[], data: Uint8Array | Int16Array): number {
    this.#rowShape ??= shape;
    if (shape.join() !== this.#rowShape.join()) {
      throw new FedKimError("DatasetError", "The rows of one array have different shapes.", {
        found: `[${shape.join(", ")}] after [${this.#rowShape.join(", ")}]`,
        needed: "one shape for all records of a modality",
        remedy: "state the size or the length in the import's options",
      });
    }
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    return this.#rows++;
  }

  /** Writes the header and closes the file; `emptyShape` is used when there was no row. */
  finish(emptyShape: readonly number[]): void {
    const shape = [this.#rows, ...(this.#rowShape ?? emptyShape)].join(", ");
    const text = `{'descr': '${this.#descr}', 'fortran_order': False, 'shape': (${shape}), }`;
    const header = new Uint8Array(HEADER_BYTES).fill(0x20);
    header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, HEADER_BYTES - 10, 0]);
    header.set(new TextEncoder().encode(text), 10);
    header[HEADER_BYTES - 1] = 0x0a;
    this.#file.seekSync(0, Deno.SeekMode.Start);
    this.#file.writeSync(header);
    this.#file.close();
  }

  /** Closes the file without a header. */
  abort(): void {
    this.#file.close();
  }
}
