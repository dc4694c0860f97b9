import { PANEL } from "./_wasm_gemm_source.ts";
import { heapFloats, ownKernels, scratch, type WasmBackend } from "./_wasm_heap.ts";

/** A matrix on the heap: byte address of its first element, and byte strides. */
export interface MatrixView {
  readonly address: number;
  readonly row: number;
  readonly column: number;
}

/** Sizes of a product C[rows, columns] = A[rows, depth] B[depth, columns]. */
export interface ProductSize {
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
}

/** Rows and depth of A that are worked on together: 96 KiB, within the second-level cache. */
const BLOCK_ROWS = 96;
const BLOCK_DEPTH = 256;

/** The view of the transpose. */
export function transposedView({ address, row, column }: MatrixView): MatrixView {
  return { address, row: column, column: row };
}

/**
 * C = A B, or C += A B. A and B may be read by any strides; C's elements must be adjacent within a row.
 */
export function gemm(
  backend: WasmBackend,
  size: ProductSize,
  a: MatrixView,
  b: MatrixView,
  c: MatrixView,
  accumulate = false,
): void {
  const { rows, depth, columns } = size;
  const whole = Math.floor(columns / PANEL);
  const rest = columns - whole * PANEL;
  const inPlace = b.column === 4;
  // Allocations come first: they may grow the heap and move nothing, but views made before would be stale.
  const packedPanels = (inPlace ? 0 : whole) + (rest > 0 ? 1 : 0);
  const packed = packedPanels === 0 ? 0 : scratch(backend, "gemm.packed", packedPanels * depth * PANEL * 4);
  const tail = rest === 0 ? 0 : scratch(backend, "gemm.tail", rows * PANEL * 4);
  if (packedPanels > 0) {
    packPanels(heapFloats(backend), b, size, columns - packedColumns(packedPanels, rest), packed);
  }
  const run = (panels: number, from: MatrixView, panelStride: number, to: MatrixView, add: boolean): void => {
    const kernel = ownKernels(backend).gemm;
    for (let k = 0; k < depth; k += BLOCK_DEPTH) {
      const deep = Math.min(BLOCK_DEPTH, depth - k);
      const atB = from.address + k * from.row;
      const onTop = add || k > 0 ? 1 : 0;
      for (let first = 0; first < rows; first += BLOCK_ROWS) {
        const count = Math.min(BLOCK_ROWS, rows - first);
        const atA = a.address + first * a.row + k * a.column;
        const atC = to.address + first * to.row;
        kernel(count, deep, panels, atA, a.row, a.column, atB, from.row, panelStride, atC, to.row, onTop);
      }
    }
  };
  const packedView = { address: packed, row: PANEL * 4, column: 4 };
  const packedStride = depth * PANEL * 4;
  if (whole > 0) run(whole, inPlace ? b : packedView, inPlace ? PANEL * 4 : packedStride, c, accumulate);
  if (rest > 0) {
    const last = { ...packedView, address: packed + (packedPanels - 1) * packedStride };
    run(1, last, packedStride, { address: tail, row: PANEL * 4, column: 4 }, false);
    copyTail(
      heapFloats(backend),
      tail,
      rows,
      rest,
      { ...c, address: c.address + whole * PANEL * 4 },
      accumulate,
    );
  }
}

function packedColumns(panels: number, rest: number): number {
  return rest === 0 ? panels * PANEL : (panels - 1) * PANEL + rest;
}

/** Copies columns `first` and up of B into panels of eight, the last filled up with zeros. */
function packPanels(
  heap: Float32Array,
  b: MatrixView,
  { depth, columns }: ProductSize,
  first: number,
  to: number,
): void {
  const rowStride = b.row / 4;
  const columnStride = b.column / 4;
  const from = b.address / 4;
  for (let column = first; column < columns; column += PANEL) {
    const panel = to / 4 + (column - first) * depth;
    for (let j = 0; j < PANEL; j++) {
      const filled = column + j < columns;
      const source = from + (column + j) * columnStride;
      for (let k = 0; k < depth; k++) heap[panel + k * PANEL + j] = filled ? heap[source + k * rowStride] : 0;
    }
  }
}

function copyTail(
  heap: Float32Array,
  tail: number,
  rows: number,
  columns: number,
  c: MatrixView,
  accumulate: boolean,
): void {
  for (let row = 0; row < rows; row++) {
    const from = tail / 4 + row * PANEL;
    const to = (c.address + row * c.row) / 4;
    for (let j = 0; j < columns; j++) {
      heap[to + j] = accumulate ? heap[to + j] + heap[from + j] : heap[from + j];
    }
  }
}
