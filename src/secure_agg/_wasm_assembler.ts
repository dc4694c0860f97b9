/** WebAssembly binary format, as far as the mask kernel needs it (WebAssembly core specification 2.0, section 5). */

/** Value types. */
export const I32 = 0x7f;
export const V128 = 0x7b;

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  do {
    const byte = rest & 0x7f;
    rest >>>= 7;
    out.push(rest === 0 ? byte : byte | 0x80);
  } while (rest !== 0);
  return out;
}

/** Signed LEB128. */
function signed(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0)) return [...out, byte];
    out.push(byte | 0x80);
  }
}

/** The body of one function: methods append one instruction each, in the order of execution. */
export class FunctionBody {
  readonly #code: number[] = [];
  readonly #locals: number[] = [];
  readonly #parameters: number;

  constructor(parameters: number) {
    this.#parameters = parameters;
  }

  /** Adds a local variable and gives its index. */
  local(type: typeof I32 | typeof V128): number {
    this.#locals.push(type);
    return this.#parameters + this.#locals.length - 1;
  }

  #emit(...bytes: number[]): this {
    for (const byte of bytes) this.#code.push(byte);
    return this;
  }

  get(local: number): this {
    return this.#emit(0x20, ...unsigned(local));
  }
  set(local: number): this {
    return this.#emit(0x21, ...unsigned(local));
  }
  tee(local: number): this {
    return this.#emit(0x22, ...unsigned(local));
  }
  i32Const(value: number): this {
    return this.#emit(0x41, ...signed(value));
  }
  i32Add(): this {
    return this.#emit(0x6a);
  }
  i32Sub(): this {
    return this.#emit(0x6b);
  }
  if(): this {
    return this.#emit(0x04, 0x40);
  }
  else(): this {
    return this.#emit(0x05);
  }
  loop(): this {
    return this.#emit(0x03, 0x40);
  }
  /** Jumps to the start of the innermost loop if the number on the stack is not zero. */
  continueIf(): this {
    return this.#emit(0x0d, 0);
  }
  end(): this {
    return this.#emit(0x0b);
  }

  #simd(opcode: number, ...immediates: number[]): this {
    return this.#emit(0xfd, ...unsigned(opcode), ...immediates);
  }
  /** Loads 16 bytes; addresses need not be aligned. */
  load(offset: number): this {
    return this.#simd(0x00, 0, ...unsigned(offset));
  }
  store(offset: number): this {
    return this.#simd(0x0b, 0, ...unsigned(offset));
  }
  v128Const(bytes: readonly number[]): this {
    return this.#simd(0x0c, ...bytes);
  }
  shuffle(lanes: readonly number[]): this {
    return this.#simd(0x0d, ...lanes);
  }
  or(): this {
    return this.#simd(0x50);
  }
  xor(): this {
    return this.#simd(0x51);
  }
  i32x4Shl(): this {
    return this.#simd(0xab);
  }
  i32x4ShrU(): this {
    return this.#simd(0xad);
  }
  i32x4Add(): this {
    return this.#simd(0xae);
  }
  i32x4Sub(): this {
    return this.#simd(0xb1);
  }

  /** The encoded function. */
  finish(): number[] {
    const locals = this.#locals.flatMap((type) => [1, type]);
    const body = [...unsigned(this.#locals.length), ...locals, ...this.#code, 0x0b];
    return [...unsigned(body.length), ...body];
  }
}

/** One exported function. */
export interface WasmFunction {
  readonly name: string;
  /** Number of i32 parameters; there is no result. */
  readonly parameters: number;
  readonly body: FunctionBody;
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function exported(name: string, kind: number, index: number): number[] {
  const bytes = [...new TextEncoder().encode(name)];
  return [...unsigned(bytes.length), ...bytes, kind, ...unsigned(index)];
}

/** A module with a memory of `pages` 64 KiB pages, exported as `memory`, and these functions. */
export function assemble(pages: number, functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map((
    { parameters },
  ) => [0x60, ...unsigned(parameters), ...Array(parameters).fill(I32), 0]);
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(3, vector(functions.map((_, i) => unsigned(i)))),
    ...section(5, vector([[1, ...unsigned(pages), ...unsigned(pages)]])),
    ...section(
      7,
      vector([exported("memory", 2, 0), ...functions.map(({ name }, i) => exported(name, 0, i))]),
    ),
    ...section(10, vector(functions.map(({ body }) => body.finish()))),
  ]);
}
