/** What the builds print to; they belong to nobody else, for standard output carries `--json`. */
export interface CodecOutput {
  /** Progress. */
  readonly print: (line: string) => void;
  /** Complaints. */
  readonly printErr: (line: string) => void;
}

const COMPLAINT = /error|corrupt|premature|invalid|truncat|failed/i;

/**
 * A wasm codec that is loaded at first use and kept. Some builds only print that a stream is damaged and return what
 * they have; that counts as a failure here. After a failure the codec is loaded anew, for a trap or an exhausted heap
 * leaves an instance in an unknown state.
 */
export class WasmCodec<Module> {
  readonly #load: (output: CodecOutput) => Promise<Module>;
  #module: Promise<Module> | undefined;
  #complaint: string | undefined;

  /**
   * Prepares a codec; nothing is loaded yet.
   *
   * @param load loads an instance; the output object becomes the instance, so each call gets a new one
   */
  constructor(load: (output: CodecOutput) => Promise<Module>) {
    this.#load = load;
  }

  /**
   * Runs one decoding.
   *
   * @param decode uses the codec
   * @throws whatever `decode` throws, or an Error with the codec's complaint
   */
  async run<Result>(decode: (module: Module) => Result): Promise<Result> {
    const listen = (line: string): void => {
      if (COMPLAINT.test(line)) this.#complaint ??= line.trim();
    };
    this.#module ??= this.#load({ print: listen, printErr: listen });
    try {
      const module = await this.#module;
      this.#complaint = undefined;
      const result = decode(module);
      if (this.#complaint !== undefined) throw new Error(this.#complaint);
      return result;
    } catch (error) {
      this.#module = undefined;
      throw error;
    }
  }
}
