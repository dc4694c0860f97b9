import { lowRankSource, operandSource, type ProductShader } from "./_webgpu_operand_source.ts";

/** Columns of C that one workgroup of {@link vectorSource} computes, and threads that share one column. */
export const VECTOR_COLUMNS = 4;
const VECTOR_LANES = 32;

/** Most rows of A that {@link vectorSource} takes. */
export const VECTOR_ROWS = 4;

/**
 * The product for at most four rows, as in generation: 32 threads walk one row of B together and add up, so that the
 * weights are read once and in order. A and B must be contiguous along the depth.
 */
export function vectorSource(shader: ProductShader, rowCount: number): string {
  const { a, b, up, bias } = shader;
  const rows = Array.from({ length: rowCount }, (_, row) => row);
  return `
const LANES : i32 = ${VECTOR_LANES};
var<workgroup> partial : array<vec4<f32>, ${VECTOR_COLUMNS * VECTOR_LANES}>;
${operandSource("a", a, "0")}
${operandSource("b", b, "0")}
${lowRankSource(shader)}
fn main() {
  let id = i32(localIndex);
  let lane = id % LANES;
  let block = i32(workgroupId.y * numWorkgroups.x + workgroupId.x);
  let column = block * ${VECTOR_COLUMNS} + id / LANES;
  var sum = vec4<f32>(0.0);
  if (column < uniforms.columns) {
    for (var q = lane; q * 4 < uniforms.depth; q += LANES) {
      let w = bQuad(column, uniforms.bDepth / 4 + q, uniforms.bDepth + uniforms.depth);
      ${
    rows.map((row) =>
      `sum[${row}] += dot(w, aQuad(${row}, uniforms.aDepth / 4 + q, uniforms.aDepth + uniforms.depth));`
    ).join("\n")
  }
    }
    ${
    up === undefined ? "" : `for (var q = lane; q * 4 < uniforms.rank; q += LANES) {
      let u = ${
      up.contiguous === "depth"
        ? "upQuad(uniforms.outColumn + column, q, uniforms.rank)"
        : `vec4<f32>(${
          [0, 1, 2, 3].map((i) => `upElement(4 * q + ${i}, uniforms.outColumn + column)`).join(", ")
        })`
    };
      ${rows.map((row) => `sum[${row}] += dot(u, lowQuad(${row}, q, uniforms.rank));`).join("\n")}
    }`
  }
  }
  partial[id] = sum;
  workgroupBarrier();
  if (lane < ${rowCount} && column < uniforms.columns) {
    var value = 0.0;
    for (var i = 0; i < LANES; i++) { value += partial[id - lane + i][lane]; }
    let at = lane * uniforms.outLine + uniforms.outColumn + column;
    ${bias ? "value += bias[uniforms.outColumn + column];" : ""}
    if (uniforms.accumulate == 1) { value += result[at]; }
    result[at] = value;
  }
}
${
    up?.contiguous === "outer"
      ? `fn upElement(r : i32, column : i32) -> f32 {
  if (r >= uniforms.rank) { return 0.0; }
  let quad = upQuad(r, column / 4, uniforms.outLine);
  return quad[column % 4];
}`
      : ""
  }`;
}

/** Threads of a workgroup of {@link vectorSource}. */
export const VECTOR_THREADS: number = VECTOR_COLUMNS * VECTOR_LANES;

/** Threads of a workgroup of {@link stripSource}; each computes four columns. */
export const STRIP_THREADS = 64;

/**
 * The product for at most four rows where B is contiguous along the columns, as in the backward pass from a few
 * logits: each thread walks down the depth of four columns, so that the weights are read once and in order.
 */
export function stripSource(shader: ProductShader, rowCount: number): string {
  const { a, b, up, bias } = shader;
  const rows = Array.from({ length: rowCount }, (_, row) => row);
  const four = [0, 1, 2, 3];
  const eachRow = (body: (row: number) => string): string => rows.map(body).join("\n    ");
  const rankTerm = (): string =>
    up?.contiguous === "outer"
      ? four.map((i) =>
        `if (4 * q + ${i} < uniforms.rank) {
        let u = upQuad(4 * q + ${i}, (uniforms.outColumn + column) / 4, uniforms.outLine);
        ${eachRow((row) => `sum${row} += low${row}[${i}] * u;`)}
      }`
      ).join("\n")
      : four.map((i) =>
        `if (column + ${i} < uniforms.columns) {
        let u = upQuad(uniforms.outColumn + column + ${i}, q, uniforms.rank);
        ${eachRow((row) => `sum${row}[${i}] += dot(low${row}, u);`)}
      }`
      ).join("\n");
  return `
${operandSource("a", a, "batch * uniforms.aBatch")}
${operandSource("b", b, "batch * uniforms.bBatch")}
${lowRankSource(shader)}
var<private> batch : i32;
fn main() {
  batch = i32(workgroupId.z);
  let column = 4 * i32(globalId.x);
  if (column >= uniforms.columns) { return; }
  let depth = min(uniforms.depth, uniforms.sliceEnd - batch * uniforms.slice);
  let once = batch * uniforms.slice == 0;
  ${eachRow((row) => `var sum${row} = vec4<f32>(0.0);`)}
  for (var q = 0; 4 * q < depth; q++) {
    ${
    four.map((i) =>
      `var w${i} = vec4<f32>(0.0);
    if (4 * q + ${i} < depth) { w${i} = bQuad(uniforms.bDepth + 4 * q + ${i}, column / 4, uniforms.columns); }`
    ).join("\n    ")
  }
    ${
    eachRow((row) =>
      `let a${row} = aQuad(${row}, uniforms.aDepth / 4 + q, uniforms.aDepth + depth);
    sum${row} += a${row}.x * w0 + a${row}.y * w1 + a${row}.z * w2 + a${row}.w * w3;`
    )
  }
  }
  ${
    up === undefined ? "" : `if (once) { for (var q = 0; 4 * q < uniforms.rank; q++) {
    ${eachRow((row) => `let low${row} = lowQuad(${row}, q, uniforms.rank);`)}
    ${rankTerm()}
  } }`
  }
  for (var c = 0; c < 4 && column + c < uniforms.columns; c++) {
    let first = batch * uniforms.rows * uniforms.outLine + uniforms.outColumn + column + c;
    ${
    eachRow((row) =>
      `{
      let at = first + ${row} * uniforms.outLine;
      var value = sum${row}[c];
      ${bias ? "if (once) { value += bias[uniforms.outColumn + column + c]; }" : ""}
      if (uniforms.accumulate == 1) { value += result[at]; }
      result[at] = value;
    }`
    )
  }
  }
}`;
}

/** Threads of a workgroup of {@link sliceSumSource}. */
export const SUM_THREADS = 64;

/** Adds up the slices of a product and writes them into columns of the output. */
export function sliceSumSource(): string {
  return `
fn main() {
  let column = i32(globalId.x);
  let row = i32(workgroupId.z * numWorkgroups.y + workgroupId.y);
  if (column >= uniforms.columns || row >= uniforms.rows) { return; }
  let at = row * uniforms.outLine + uniforms.outColumn + column;
  var value = 0.0;
  if (uniforms.accumulate == 1) { value = result[at]; }
  for (var i = 0; i < uniforms.slices; i++) {
    value += partials[(i * uniforms.rows + row) * uniforms.columns + column];
  }
  result[at] = value;
}`;
}

/** Uniforms of {@link sliceSumSource}. */
export const SUM_UNIFORM_NAMES = ["rows", "columns", "slices", "outLine", "outColumn", "accumulate"] as const;
