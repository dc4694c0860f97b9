/** WebAssembly binary format, as far as our kernels need it (WebAssembly core specification 3.0, section 5). */

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
  i32And(): this {
    return this.#emit(0x71);
  }
  i32Xor(): this {
    return this.#emit(0x73);
  }
  i32ShrU(): this {
    return this.#emit(0x76);
  }
  /** Loads one byte, zero-extended. */
  i32Load8U(offset: number): this {
    return this.#emit(0x2d, 0, ...unsigned(offset));
  }
  /** Calls the function of this index in the module. */
  call(index: number): this {
    return this.#emit(0x10, ...unsigned(index));
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
  /** Loads a double into both lanes. */
  loadSplat64(offset: number): this {
    return this.#simd(0x0a, 0, ...unsigned(offset));
  }
  i32x4Splat(): this {
    return this.#simd(0x11);
  }
  v128Const(bytes: readonly number[]): this {
    return this.#simd(0x0c, ...bytes);
  }
  shuffle(lanes: readonly number[]): this {
    return this.#simd(0x0d, ...lanes);
  }
  and(): this {
    return this.#simd(0x4e);
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
  f64x2Add(): this {
    return this.#simd(0xf0);
  }
  f64x2Sub(): this {
    return this.#simd(0xf1);
  }
  f64x2Mul(): this {
    return this.#simd(0xf2);
  }
  /** a * b + c with c on top of the stack; rounds once or twice, which is the same where the result is exact. */
  f64x2RelaxedMadd(): this {
    return this.#simd(0x107);
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
