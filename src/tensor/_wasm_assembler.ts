/**
 * A very small WebAssembly assembler: expressions and statements are byte sequences, so that kernels read like
 * the arithmetic they do. Only what the kernels need.
 */

/** Encoded instructions; an expression leaves one value on the stack, a statement none. */
export type Code = readonly number[];

/** Value types of parameters and locals. */
export type ValueType = "i32" | "f32" | "v128";

/** A function to assemble. */
export interface FunctionSource {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly locals: readonly ValueType[];
  readonly body: readonly Code[];
}

const TYPE_CODE: Record<ValueType, number> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  do {
    const low = value & 0x7f;
    value >>>= 7;
    bytes.push(value === 0 ? low : low | 0x80);
  } while (value !== 0);
  return bytes;
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = value & 0x7f;
    value >>= 7;
    const done = (value === 0 && (low & 0x40) === 0) || (value === -1 && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

function float(value: number): number[] {
  return [...new Uint8Array(new Float32Array([value]).buffer)];
}

const binary = (opcode: number) => (a: Code, b: Code): Code => [...a, ...b, opcode];
const simd = (opcode: number, ...operands: Code[]): Code => [...operands.flat(), 0xfd, ...unsigned(opcode)];
const simdBinary = (opcode: number) => (a: Code, b: Code): Code => simd(opcode, a, b);
const simdUnary = (opcode: number) => (a: Code): Code => simd(opcode, a);
/** Alignment hint (log2 bytes) and constant offset of a memory access. */
const access = (align: number, offset: number): number[] => [align, ...unsigned(offset)];

/** Reads a local or parameter. */
export const get = (index: number): Code => [0x20, ...unsigned(index)];
/** Writes a local or parameter. */
export const set = (index: number, value: Code): Code => [...value, 0x21, ...unsigned(index)];

/** 32-bit integers. */
export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  and: binary(0x71),
  ltSigned: binary(0x48),
  geSigned: binary(0x4e),
};

/** 32-bit floats. */
export const f32 = {
  const: (value: number): Code => [0x43, ...float(value)],
  load: (address: Code, offset = 0): Code => [...address, 0x2a, ...access(2, offset)],
  store: (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0x38, ...access(2, offset)],
  add: binary(0x92),
  sub: binary(0x93),
  mul: binary(0x94),
  div: binary(0x95),
  max: binary(0x97),
  sqrt: (a: Code): Code => [...a, 0x91],
};

/** Four 32-bit floats. */
export const f32x4 = {
  load: (address: Code, offset = 0): Code => [...address, 0xfd, 0x00, ...access(2, offset)],
  loadSplat: (address: Code, offset = 0): Code => [...address, 0xfd, 0x09, ...access(2, offset)],
  store: (
    address: Code,
    value: Code,
    offset = 0,
  ): Code => [...address, ...value, 0xfd, 0x0b, ...access(2, offset)],
  const: (value: number): Code => [0xfd, 0x0c, ...[0, 1, 2, 3].flatMap(() => float(value))],
  splat: simdUnary(0x13),
  lane: (a: Code, lane: number): Code => [...a, 0xfd, 0x1f, lane],
  nearest: simdUnary(0x6a),
  sqrt: simdUnary(0xe3),
  add: simdBinary(0xe4),
  sub: simdBinary(0xe5),
  mul: simdBinary(0xe6),
  div: simdBinary(0xe7),
  min: simdBinary(0xe8),
  max: simdBinary(0xe9),
  /** a b + c with one or two roundings, as the processor likes (relaxed SIMD). */
  multiplyAdd: (a: Code, b: Code, c: Code): Code => simd(0x105, a, b, c),
};

/** Four 32-bit integers, as far as the exponential needs them. */
export const i32x4 = {
  fromFloat: simdUnary(0xf8),
  add: simdBinary(0xae),
  const: (
    value: number,
  ): Code => [0xfd, 0x0c, ...[0, 1, 2, 3].flatMap(() => [...new Uint8Array(new Int32Array([value]).buffer)])],
  shiftLeft: (a: Code, bits: number): Code => [...a, ...i32.const(bits), 0xfd, ...unsigned(0xab)],
};

/** Runs a body while `counter` counts from its present value up to (not including) `limit`. */
export function countUp(counter: number, limit: Code, step: Code, body: readonly Code[]): Code {
  const condition = i32.ltSigned(get(counter), limit);
  // if (counter < limit) loop { body; counter += step; br_if counter < limit }
  return when(condition, [
    [
      0x03,
      0x40,
      ...body.flat(),
      ...set(counter, i32.add(get(counter), step)),
      ...condition,
      0x0d,
      0x00,
      0x0b,
    ],
  ]);
}

/** Runs a body when a condition holds, and another otherwise. */
export function when(condition: Code, body: readonly Code[], otherwise: readonly Code[] = []): Code {
  const tail = otherwise.length === 0 ? [] : [0x05, ...otherwise.flat()];
  return [...condition, 0x04, 0x40, ...body.flat(), ...tail, 0x0b];
}

/** Assembles a module that imports `env.memory` and exports its functions by name. */
export function assemble(functions: readonly FunctionSource[]): Uint8Array<ArrayBuffer> {
  const text = (value: string): number[] => [...unsigned(value.length), ...new TextEncoder().encode(value)];
  const list = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()];
  const section = (id: number, body: readonly number[]): number[] => [id, ...unsigned(body.length), ...body];
  const types = functions.map((
    { parameters },
  ) => [0x60, ...list(parameters.map((type) => [TYPE_CODE[type]])), 0x00]);
  const imports = [[...text("env"), ...text("memory"), 0x02, 0x00, 0x00]];
  const exports = functions.map(({ name }, index) => [...text(name), 0x00, ...unsigned(index)]);
  const bodies = functions.map(({ locals, body }) => {
    const code = [...list(locals.map((type) => [0x01, TYPE_CODE[type]])), ...body.flat(), 0x0b];
    return [...unsigned(code.length), ...code];
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, list(types)),
    ...section(2, list(imports)),
    ...section(3, list(functions.map((_, index) => unsigned(index)))),
    ...section(7, list(exports)),
    ...section(10, list(bodies)),
  ]);
}
