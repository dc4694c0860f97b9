import {
  LOW,
  lowRankSource,
  type MatMulShader,
  type OperandLayout,
  operandSource,
  type TileShape,
} from "./_webgpu_operand_source.ts";

/** Depth of a tile. */
const DEPTH = 16;

/** Quads of a tile's line: four, and one more so that neighbouring lines fall on different memory banks. */
const LINE = DEPTH / 4 + 1;

/** Bytes of workgroup memory that a tiled product needs. */
export function tileBytes({ rows, columns }: TileShape): number {
  return 16 * (rows + columns) * LINE * 16;
}

/**
 * The tiled product: each workgroup of 16 x 16 threads computes a square tile of C, each thread every sixteenth row
 * and column of it, from tiles of A and B in workgroup memory that are unpacked as they are filled. The depth loop
 * goes on over the rank of a low-rank update, so that its up projection adds to the same accumulators.
 */
export function tiledSource(shader: MatMulShader): string {
  const { a, b, up, bias, tile } = shader;
  const each = (body: (i: number, j: number) => string): string => {
    const lines: string[] = [];
    for (let i = 0; i < tile.rows; i++) for (let j = 0; j < tile.columns; j++) lines.push(body(i, j));
    return lines.join("\n");
  };
  return `
var<workgroup> aTile : array<vec4<f32>, ${16 * tile.rows * LINE}>;
var<workgroup> bTile : array<vec4<f32>, ${16 * tile.columns * LINE}>;
${operandSource("a", a, "batch * uniforms.aBatch")}
${operandSource("b", b, "batch * uniforms.bBatch")}
${lowRankSource(shader)}
var<private> batch : i32;
fn main() {
  batch = i32(workgroupId.z);
  let id = i32(localIndex);
  let tx = id % 16;
  let ty = id / 16;
  let firstRow = i32(workgroupId.y) * ${16 * tile.rows};
  let firstColumn = i32(workgroupId.x) * ${16 * tile.columns};
  ${each((i, j) => `var acc${i}_${j} = 0.0;`)}
  let depth = min(uniforms.depth, uniforms.sliceEnd - batch * uniforms.slice);
  // Of a sliced product the first slice adds what is added once.
  let once = batch * uniforms.slice == 0;
  ${up === undefined ? "" : "let rank = select(0, uniforms.rank, once);"}
  // Barriers must be reached by all threads alike: the number of tiles depends on uniforms alone.
  let depthTiles = (uniforms.depth + ${DEPTH - 1}) / ${DEPTH};
  let tiles = depthTiles + (uniforms.rank + ${DEPTH - 1}) / ${DEPTH};
  for (var t = 0; t < tiles; t++) {
    if (t < depthTiles) {
      let k = t * ${DEPTH};
      ${fillTile("a", a, "firstRow", "uniforms.rows", "depth", tile.rows, "uniforms.aDepth")}
      ${fillTile("b", b, "firstColumn", "uniforms.columns", "depth", tile.columns, "uniforms.bDepth")}
    }
    ${
    up === undefined ? "" : `else {
      let k = (t - depthTiles) * ${DEPTH};
      ${fillTile("a", LOW, "firstRow", "uniforms.rows", "rank", tile.rows, "0", "low")}
      ${
      fillTile(
        "b",
        up,
        "(uniforms.outColumn + firstColumn)",
        UP_END,
        "rank",
        tile.columns,
        "0",
        "up",
      )
    }
    }`
  }
    workgroupBarrier();
    ${multiply(tile, each)}
    workgroupBarrier();
  }
  let first = (batch * uniforms.rows) * uniforms.outLine + uniforms.outColumn;
  ${
    each((i, j) =>
      `{
    let row = firstRow + ty + ${16 * i};
    let column = firstColumn + tx + ${16 * j};
    if (row < uniforms.rows && column < uniforms.columns) {
      let at = first + row * uniforms.outLine + column;
      var value = acc${i}_${j};
      ${bias ? "if (once) { value += bias[uniforms.outColumn + column]; }" : ""}
      if (uniforms.accumulate == 1) { value += result[at]; }
      result[at] = value;
    }
  }`
    )
  }
}`;
}

/** End of the columns of one dispatch, counted from the first column of the whole output. */
const UP_END = "uniforms.outColumn + uniforms.columns";

/** Statements by which the workgroup fills one operand's tile with depths k to k + 15. */
function fillTile(
  tileName: "a" | "b",
  { contiguous }: OperandLayout,
  first: string,
  outerEnd: string,
  depthEnd: string,
  perThread: number,
  depthStart: string,
  reader: string = tileName,
): string {
  const tile = 16 * perThread;
  if (contiguous === "depth") {
    return Array.from(
      { length: Math.ceil(perThread / 4) },
      (_, round) =>
        `if (id < ${4 * tile - 256 * round}) {
      let line = (id + ${256 * round}) / 4;
      let quad = (id + ${256 * round}) % 4;
      var v = vec4<f32>(0.0);
      if (${first} + line < ${outerEnd}) {
        v = ${reader}Quad(${first} + line, (${depthStart} + k) / 4 + quad, ${depthStart} + ${depthEnd});
      }
      ${tileName}Tile[line * ${LINE} + quad] = v;
    }`,
    ).join("\n");
  }
  // Four lines of four neighbours are turned, so that the tile holds quads along the depth.
  const four = [0, 1, 2, 3];
  const read = (i: number): string =>
    `var v${i} = vec4<f32>(0.0);
      if (k + 4 * deep + ${i} < ${depthEnd}) {
        v${i} = ${reader}Quad(${depthStart} + k + 4 * deep + ${i}, ${first} / 4 + outer, ${outerEnd});
      }`;
  const write = (i: number): string => {
    const turned = four.map((line) => `v${line}.${"xyzw"[i]}`).join(", ");
    return `${tileName}Tile[(4 * outer + ${i}) * ${LINE} + deep] = vec4<f32>(${turned});`;
  };
  return `if (id < ${tile}) {
      let outer = id % ${tile / 4};
      let deep = id / ${tile / 4};
      ${[...four.map(read), ...four.map(write)].join("\n      ")}
    }`;
}

/** Multiplies the tiles in workgroup memory into the accumulators. */
function multiply(tile: TileShape, each: (body: (i: number, j: number) => string) => string): string {
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
  return `for (var q = 0; q < ${DEPTH / 4}; q++) {
      ${upTo(tile.rows).map((i) => `let a${i} = aTile[(ty + ${16 * i}) * ${LINE} + q];`).join(" ")}
      ${upTo(tile.columns).map((j) => `let b${j} = bTile[(tx + ${16 * j}) * ${LINE} + q];`).join(" ")}
      ${
    each((i, j) =>
      `acc${i}_${j} = fma(a${i}.w, b${j}.w, fma(a${i}.z, b${j}.z, fma(a${i}.y, b${j}.y, fma(a${i}.x, b${j}.x, acc${i}_${j}))));`
    )
  }
    }`;
}
