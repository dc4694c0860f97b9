import { type Code, countUp, f32x4, type FunctionSource, get, i32, set, when } from "./_wasm_assembler.ts";

/** Columns of one panel: two vectors. */
export const PANEL = 8;

/** Steps of the depth loop that are written out. */
const UNROLL = 4;

const P = {
  rows: 0,
  depth: 1,
  panels: 2,
  a: 3,
  aRow: 4,
  aDepth: 5,
  b: 6,
  bDepth: 7,
  bPanel: 8,
  c: 9,
  cRow: 10,
  accumulate: 11,
} as const;

/** Locals: twelve parameters, then integers, then vectors. */
const L = { row: 12, k: 13, panel: 14, aAt: 15, bAt: 16, cAt: 17, aRows: 18 } as const;

/** How the inner block is computed. */
export interface GemmVariant {
  /** Use relaxed multiply-add, which needs engine support. */
  readonly fused: boolean;
}

/**
 * `gemm`: C (+)= A B for `panels` groups of eight columns. A is read by any strides, so transposed operands cost
 * nothing; B by panels with strides, so it may lie in place or packed. All strides in bytes.
 */
export function gemmSource(variant: GemmVariant): FunctionSource {
  // Fused multiply-add leaves registers for two more rows.
  const block = variant.fused ? 6 : 4;
  const emitter = new BlockEmitter(variant, L.aRows + block);
  return {
    name: "gemm",
    parameters: Array<"i32">(12).fill("i32"),
    locals: [...Array<"i32">(6 + block).fill("i32"), ...Array<"v128">(3 + 2 * block).fill("v128")],
    body: [
      set(L.panel, i32.const(0)),
      countUp(L.panel, get(P.panels), i32.const(1), [
        set(L.aAt, get(P.a)),
        set(L.cAt, get(P.c)),
        set(L.row, i32.const(0)),
        countUp(L.row, i32.sub(get(P.rows), i32.const(block - 1)), i32.const(block), emitter.rows(block)),
        countUp(L.row, get(P.rows), i32.const(1), emitter.rows(1)),
        set(P.b, i32.add(get(P.b), get(P.bPanel))),
        set(P.c, i32.add(get(P.c), i32.const(4 * PANEL))),
      ]),
    ],
  };
}

/** Emits the code of one block of rows by eight columns. */
class BlockEmitter {
  readonly #variant: GemmVariant;
  readonly #firstVector: number;

  constructor(variant: GemmVariant, firstVector: number) {
    this.#variant = variant;
    this.#firstVector = firstVector;
  }

  /** The whole block: clear, accumulate over the depth, store. */
  rows(rows: number): Code[] {
    return [
      ...this.#start(rows),
      set(L.bAt, get(P.b)),
      set(L.k, i32.const(0)),
      countUp(
        L.k,
        i32.sub(get(P.depth), i32.const(UNROLL - 1)),
        i32.const(UNROLL),
        Array.from({ length: UNROLL }, () => this.#depthStep(rows)).flat(),
      ),
      countUp(L.k, get(P.depth), i32.const(1), this.#depthStep(rows)),
      ...this.#store(rows),
    ];
  }

  #sum(row: number, half: number): number {
    return this.#firstVector + 3 + 2 * row + half;
  }

  /** Points at the rows of A and clears the sums. */
  #start(rows: number): Code[] {
    const code: Code[] = [];
    for (let row = 0; row < rows; row++) {
      code.push(set(L.aRows + row, get(L.aAt)), set(L.aAt, i32.add(get(L.aAt), get(P.aRow))));
      code.push(set(this.#sum(row, 0), f32x4.const(0)), set(this.#sum(row, 1), f32x4.const(0)));
    }
    return code;
  }

  /** One rank-one update of the block. */
  #depthStep(rows: number): Code[] {
    const [b0, b1, a] = [0, 1, 2].map((index) => this.#firstVector + index);
    const code: Code[] = [
      set(b0, f32x4.load(get(L.bAt))),
      set(b1, f32x4.load(get(L.bAt), 16)),
      set(L.bAt, i32.add(get(L.bAt), get(P.bDepth))),
    ];
    for (let row = 0; row < rows; row++) {
      code.push(set(a, f32x4.loadSplat(get(L.aRows + row))));
      code.push(this.#accumulate(this.#sum(row, 0), a, b0), this.#accumulate(this.#sum(row, 1), a, b1));
      code.push(set(L.aRows + row, i32.add(get(L.aRows + row), get(P.aDepth))));
    }
    return code;
  }

  #accumulate(sum: number, a: number, b: number): Code {
    return set(
      sum,
      this.#variant.fused
        ? f32x4.multiplyAdd(get(a), get(b), get(sum))
        : f32x4.add(get(sum), f32x4.mul(get(a), get(b))),
    );
  }

  /** Writes the block, on top of what is there when `accumulate` is set. */
  #store(rows: number): Code[] {
    const code: Code[] = [];
    for (let row = 0; row < rows; row++) {
      const halves = [this.#sum(row, 0), this.#sum(row, 1)];
      const added = halves.map((local, half) =>
        set(local, f32x4.add(get(local), f32x4.load(get(L.cAt), 16 * half)))
      );
      code.push(when(get(P.accumulate), added));
      code.push(...halves.map((local, half) => f32x4.store(get(L.cAt), get(local), 16 * half)));
      code.push(set(L.cAt, i32.add(get(L.cAt), get(P.cRow))));
    }
    return code;
  }
}
