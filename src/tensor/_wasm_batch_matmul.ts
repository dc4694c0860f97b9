import type { tf } from "./_tf.ts";
import { gemm, type MatrixView, transposedView } from "./_wasm_gemm.ts";
import { addressOf, sizeOf, type WasmBackend } from "./_wasm_heap.ts";

/** What tfjs passes to BatchMatMul: `a` `[..., M, K]` and `b` `[..., K, N]` before transposition. */
interface MatMulCall {
  readonly inputs: { readonly a: tf.TensorInfo; readonly b: tf.TensorInfo };
  readonly attrs: { readonly transposeA: boolean; readonly transposeB: boolean };
  readonly backend: WasmBackend;
}

/**
 * BatchMatMul through our own SIMD kernel. The stock kernel reaches a fast path only for one untransposed pair and
 * runs a scalar triple loop otherwise; every dense backward pass is transposed.
 */
export const batchMatMul: tf.KernelFunc = (params: Parameters<tf.KernelFunc>[0]): tf.TensorInfo => {
  const { inputs: { a, b }, attrs: { transposeA, transposeB }, backend } = params as unknown as MatMulCall;
  const batchA = sizeOf(a.shape.slice(0, -2));
  const batchB = sizeOf(b.shape.slice(0, -2));
  const [rowsA, columnsA] = a.shape.slice(-2);
  const [rowsB, columnsB] = b.shape.slice(-2);
  const rows = transposeA ? columnsA : rowsA;
  const depth = transposeA ? rowsA : columnsA;
  const columns = transposeB ? rowsB : columnsB;
  const outer = (batchA >= batchB ? a : b).shape.slice(0, -2);
  const output = backend.makeOutput([...outer, rows, columns], "float32");
  for (let index = 0; index < Math.max(batchA, batchB); index++) {
    const left = entry(backend, a, batchA === 1 ? 0 : index, transposeA);
    const right = entry(backend, b, batchB === 1 ? 0 : index, transposeB);
    gemm(backend, { rows, depth, columns }, left, right, entry(backend, output, index, false));
  }
  return output;
};

function entry(backend: WasmBackend, x: tf.TensorInfo, index: number, transpose: boolean): MatrixView {
  const [rows, columns] = x.shape.slice(-2);
  const address = addressOf(backend, x) + index * rows * columns * 4;
  const view = { address, row: columns * 4, column: 4 };
  return transpose ? transposedView(view) : view;
}
