import { FedKimError } from "../formats/errors.ts";
import type { GgufFile } from "../formats/gguf.ts";

/** Typed access to the metadata of a GGUF file. */
export class GgufMetadata {
  readonly #file: GgufFile;

  constructor(file: GgufFile) {
    this.#file = file;
  }

  optionalText(name: string): string | undefined {
    const value = this.#file.metadata[name];
    return typeof value === "string" ? value : undefined;
  }

  text(name: string): string {
    return this.optionalText(name) ?? this.#refuse(name, "a string");
  }

  optionalNumber(name: string): number | undefined {
    const value = this.#file.metadata[name];
    if (value === undefined) return undefined;
    const number = typeof value === "bigint" ? Number(value) : value;
    return typeof number === "number" && Number.isFinite(number) ? number : this.#refuse(name, "a number");
  }

  positive(name: string): number {
    const value = this.optionalNumber(name);
    return value !== undefined && value > 0 ? value : this.#refuse(name, "a positive number");
  }

  count(name: string): number {
    const value = this.positive(name);
    return Number.isSafeInteger(value) ? value : this.#refuse(name, "a positive integer");
  }

  texts(name: string): string[] {
    const value = this.#file.metadata[name];
    if (Array.isArray(value) && value.every((entry) => typeof entry === "string")) return value;
    return this.#refuse(name, "a list of strings");
  }

  numbers(name: string): number[] {
    const value = this.#file.metadata[name];
    if (Array.isArray(value) && value.every((entry) => typeof entry === "number")) return value;
    return this.#refuse(name, "a list of numbers");
  }

  /** Whether a sequence starts with the start token; files that do not say follow their tokenizer's custom. */
  startsWithBos(): boolean {
    const value = this.#file.metadata["tokenizer.ggml.add_bos_token"];
    return typeof value === "boolean" ? value : this.optionalText("tokenizer.ggml.model") === "llama";
  }

  #refuse(name: string, needed: string): never {
    const found = name in this.#file.metadata ? `${name} of another kind` : `no ${name}`;
    throw new FedKimError("FormatError", `The metadata of the GGUF file ${this.#file.path} is malformed.`, {
      found,
      needed,
      remedy: "copy or download the file again",
    });
  }
}
