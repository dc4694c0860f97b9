import { hasScales, type WeightForm } from "./weight_form.ts";

/**
 * Which axis of an operand lies contiguously in memory. Products are C[m, n] = sum_k A(m, k) B(n, k): the outer
 * axis is m or n, the depth is k.
 */
export type Contiguous = "depth" | "outer";

/** How a shader reads one operand, four neighbours ("a quad") at a time. */
export interface OperandLayout {
  readonly form: WeightForm;
  readonly contiguous: Contiguous;
  /** True when lines are a whole number of quads; float32 operands only, packed ones always are. */
  readonly aligned: boolean;
}

/** Outputs per thread: its rows and its columns. Tiles are 16 times as high and as wide. */
export interface TileShape {
  readonly rows: 1 | 4 | 8;
  readonly columns: 4 | 8;
}

/** A shader without its tile: what the kernel for few rows needs. */
export type ProductShader = Omit<MatMulShader, "tile">;

/** What one matrix-product shader does. */
export interface MatMulShader {
  readonly a: OperandLayout;
  readonly b: OperandLayout;
  readonly tile: TileShape;
  /** The low-rank update's up projection, where one is added; its rank axis is the depth. */
  readonly up?: OperandLayout;
  /** True when lines of the low-rank input and scale are whole quads. */
  readonly rankAligned?: boolean;
  readonly bias: boolean;
}

/** Uniforms of a matrix product, in the order of {@link UNIFORM_NAMES}. */
export const UNIFORM_NAMES = [
  "rows", // m
  "columns", // n of this dispatch
  "depth", // k of this dispatch
  "aLine", // elements from one line of A to the next
  "bLine",
  "aBatch", // elements from one matrix of A to the next; 0 shares one
  "bBatch",
  "aDepth", // first k within A
  "bDepth", // first k within B
  "outLine", // columns of the whole output
  "outColumn", // first column written
  "accumulate", // 1 adds to what the output holds
  "rank", // depth of the low-rank update
  "scaleRows", // rows of the scale, a divisor of `rows`
  "slice", // depths of a slice, where the batch axis counts slices of one product; else 0
  "sliceEnd", // depth of the whole product
] as const;

/** Values of the uniforms by name. */
export type MatMulUniforms = Readonly<Record<(typeof UNIFORM_NAMES)[number], number>>;

/** The declaration of integer uniforms for tfjs. */
export function declareUniforms(names: readonly string[]): string {
  return names.map((name) => `${name} : i32, `).join("");
}

/** Components of an operand's binding: a quad of 16-bit weights is two words, one of float32 four. */
export function components({ form, aligned }: OperandLayout): number {
  if (form === "float32") return aligned ? 4 : 1;
  return form === "float16" || form === "bfloat16" ? 2 : 1;
}

/** A key that is equal for equal shaders. */
export function shaderKey(kind: string, shader: ProductShader): string {
  const layout = (operand: OperandLayout | undefined): string =>
    operand === undefined ? "-" : `${operand.form}.${operand.contiguous}.${operand.aligned}`;
  const { a, b, up, rankAligned, bias } = shader;
  return [kind, layout(a), layout(b), layout(up), rankAligned, bias].join("_");
}

/** The low-rank input as the tile loader sees it. */
export const LOW: OperandLayout = { form: "float32", contiguous: "depth", aligned: true };

/**
 * `xQuad(line, quad, length)`: four neighbours of operand x as floats, zeros from `length` on. `base` is the first
 * element of the matrix.
 */
export function operandSource(name: string, { form, aligned }: OperandLayout, base: string): string {
  const index = `(${base} + line * uniforms.${name}Line) / 4 + quad`;
  const body = form === "float32" && !aligned
    ? `
  let at = ${base} + line * uniforms.${name}Line + 4 * quad;
  let left = length - 4 * quad;
  var v = vec4<f32>(0.0);
  if (left > 0) { v.x = ${name}[at]; }
  if (left > 1) { v.y = ${name}[at + 1]; }
  if (left > 2) { v.z = ${name}[at + 2]; }
  if (left > 3) { v.w = ${name}[at + 3]; }
  return v;`
    : `
  if (4 * quad >= length) { return vec4<f32>(0.0); }
  let at = ${index};
  ${unpackQuad(name, form)}`;
  return `${hasScales(form) ? scaleSource(name) : ""}
fn ${name}Quad(line : i32, quad : i32, length : i32) -> vec4<f32> {${body}\n}`;
}

/** Statements that return the quad at quad index `at`. */
function unpackQuad(name: string, form: WeightForm): string {
  switch (form) {
    case "float32":
      return `return ${name}[at];`;
    case "float16":
      return `let w = bitcast<vec2<u32>>(${name}[at]);
  return vec4<f32>(unpack2x16float(w.x), unpack2x16float(w.y));`;
    case "bfloat16":
      return `let w = bitcast<vec2<u32>>(${name}[at]);
  return bitcast<vec4<f32>>(vec4<u32>(w.x << 16u, w.x & 0xffff0000u, w.y << 16u, w.y & 0xffff0000u));`;
    case "int8":
      return `let w = ${name}[at];
  let q = vec4<i32>(extractBits(w, 0u, 8u), extractBits(w, 8u, 8u), extractBits(w, 16u, 8u), extractBits(w, 24u, 8u));
  return vec4<f32>(q) * ${scaleOf(name)};`;
    case "int4":
      return `let w = bitcast<u32>(${name}[at >> 1u]) >> (16u * u32(at & 1));
  let q = vec4<i32>(vec4<u32>(w & 15u, (w >> 4u) & 15u, (w >> 8u) & 15u, (w >> 12u) & 15u)) - 8;
  return vec4<f32>(q) * ${scaleOf(name)};`;
  }
}

/** The scale of the block of 32 weights (8 quads) around quad `at`. */
function scaleOf(name: string): string {
  return `${name}Scale(${name}Scales[at >> 4u], (at >> 3u) & 1)`;
}

/** Decodes one half of a pair of float16, subnormals included: some GPUs flush them in unpack2x16float. */
function scaleSource(name: string): string {
  return `
fn ${name}Scale(pair : i32, half : i32) -> f32 {
  let h = (bitcast<u32>(pair) >> (16u * u32(half))) & 0xffffu;
  let exponent = (h >> 10u) & 31u;
  let mantissa = h & 1023u;
  let normal = bitcast<f32>(((exponent + 112u) << 23u) | (mantissa << 13u));
  let magnitude = select(normal, f32(mantissa) * 0.000000059604644775390625, exponent == 0u);
  return select(magnitude, -magnitude, (h & 0x8000u) != 0u);
}`;
}

/** Readers of the low-rank update: its input times the scale, and its up projection. */
export function lowRankSource({ up, rankAligned }: ProductShader): string {
  if (up === undefined) return "";
  const aligned = rankAligned === true;
  const line = (name: string): OperandLayout => ({ ...LOW, aligned: name === "up" ? up.aligned : aligned });
  return `
${operandSource("lowRows", line("low"), "0").replaceAll("uniforms.lowRowsLine", "uniforms.rank")}
${operandSource("scale", line("low"), "0").replaceAll("uniforms.scaleLine", "uniforms.rank")}
${
    operandSource("up", line("up"), "0").replaceAll(
      "uniforms.upLine",
      up.contiguous === "depth" ? "uniforms.rank" : "uniforms.outLine",
    )
  }
fn lowQuad(line : i32, quad : i32, length : i32) -> vec4<f32> {
  let row = line * uniforms.scaleRows / uniforms.rows;
  return lowRowsQuad(line, quad, length) * scaleQuad(row, quad, length);
}`;
}
