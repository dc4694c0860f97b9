import { join } from "node:path";
import { badFile } from "../source_errors.ts";
import { openSource, readAt } from "../source_files.ts";
import type { WfdbHeader, WfdbSignal } from "./wfdb_header.ts";

/** The count that means "no sample here", by format (WFDB Applications Guide, signal(5)). */
const INVALID = { 16: -32768, 212: -2048 } as const;
/** Samples per read: 1.5 or 2 bytes each. */
const READ_SAMPLES = 1 << 18;

/** One signal of a record on disk; any stretch of it can be read. */
export class WfdbSamples {
  /** Number of samples. */
  readonly length: number;
  readonly #signal: WfdbSignal;
  readonly #file: Deno.FsFile;
  readonly #path: string;

  private constructor(signal: WfdbSignal, file: Deno.FsFile, path: string, length: number) {
    this.#signal = signal;
    this.#file = file;
    this.#path = path;
    this.length = length;
  }

  /**
   * Opens a signal, checks the size of its file and the checksum of all its samples.
   *
   * @param header the record's header
   * @param signal one of its signals
   * @param dir the header's folder
   * @throws FedKimError `DatasetError` when the file is not there, `FormatError` when it is cut short or changed
   */
  static async open(header: WfdbHeader, signal: WfdbSignal, dir: string): Promise<WfdbSamples> {
    const path = join(dir, signal.fileName);
    const file = await openSource(path);
    try {
      const bytes = (await file.stat()).size - signal.byteOffset;
      const stored = Math.floor((signal.format === 16 ? bytes / 2 : bytes / 1.5) / signal.signalsInFile);
      const length = header.samples ?? stored;
      if (stored < length || length < 1) {
        throw badFile(path, "WFDB samples", `${Math.max(0, stored)} samples per signal of ${length}`);
      }
      const samples = new WfdbSamples(signal, file, path, length);
      samples.#verify();
      return samples;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /**
   * Reads samples in physical units.
   *
   * @param from first sample
   * @param to one after the last sample
   * @returns values in the header's unit; NaN where the record has no sample
   */
  read(from: number, to: number): Float64Array {
    const { gain, baseline, format } = this.#signal;
    const counts = this.#counts(from, to);
    return Float64Array.from(counts, (count) => count === INVALID[format] ? NaN : (count - baseline) / gain);
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }

  #counts(from: number, to: number): Int16Array {
    const { signalsInFile: width, position, format, byteOffset } = this.#signal;
    const [first, last] = [from * width, to * width];
    // Two samples of format 212 share three bytes, so reading starts at an even sample.
    const start = format === 16 ? first : first - first % 2;
    const bytesTo = (sample: number): number => format === 16 ? sample * 2 : Math.ceil(sample * 1.5);
    const bytes = readAt(this.#file, byteOffset + bytesTo(start), bytesTo(last) - bytesTo(start));
    if (bytes.length < bytesTo(last) - bytesTo(start)) {
      throw badFile(this.#path, "WFDB samples", "a file cut short");
    }
    const out = new Int16Array(to - from);
    for (let i = 0; i < out.length; i++) {
      const sample = first - start + i * width + position;
      out[i] = format === 16 ? (bytes[2 * sample] | bytes[2 * sample + 1] << 8) : twelveBits(bytes, sample);
    }
    return out;
  }

  #verify(): void {
    const { checksum, signalsInFile } = this.#signal;
    if (checksum === undefined) return;
    const step = Math.max(1, Math.floor(READ_SAMPLES / signalsInFile));
    let sum = 0;
    for (let from = 0; from < this.length; from += step) {
      for (const count of this.#counts(from, Math.min(this.length, from + step))) sum = (sum + count) | 0;
    }
    if (((sum - checksum) & 0xffff) !== 0) {
      throw badFile(
        this.#path,
        "WFDB samples",
        "a checksum that differs from the header's",
        "the file as recorded",
      );
    }
  }
}

/** Sample `index` of format 212: two 12-bit two's-complement numbers in three bytes. */
function twelveBits(bytes: Uint8Array, index: number): number {
  const at = (index >> 1) * 3;
  const raw = index % 2 === 0
    ? bytes[at] | (bytes[at + 1] & 0x0f) << 8
    : bytes[at + 2] | (bytes[at + 1] & 0xf0) << 4;
  return raw << 20 >> 20;
}
