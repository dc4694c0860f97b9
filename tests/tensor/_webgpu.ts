import { selectBackend, tf } from "../../src/tensor/mod.ts";
import { testNeeding } from "../_shared.ts";

const noGpu = (await globalThis.navigator?.gpu?.requestAdapter() ?? null) === null;

/** Registers a test on the WebGPU backend, see `testNeeding` for "webgpu". */
export function webgpuTest(name: string, body: () => Promise<void>): void {
  testNeeding("webgpu", noGpu ? "there is no adapter" : undefined, name, async () => {
    await selectBackend("webgpu");
    // Without this tfjs computes small host-side tensors on the CPU, and no shader would be tested.
    tf.env().set("WEBGPU_CPU_FORWARD", false);
    await body();
  });
}

/** Product of two matrices in float64, C[m, n] = sum_k A(m, k) B(k, n). */
export function exactProduct(
  a: (m: number, k: number) => number,
  b: (k: number, n: number) => number,
  [rows, depth, columns]: readonly [number, number, number],
): Float64Array {
  const result = new Float64Array(rows * columns);
  for (let m = 0; m < rows; m++) {
    for (let k = 0; k < depth; k++) {
      const left = a(m, k);
      for (let n = 0; n < columns; n++) result[m * columns + n] += left * b(k, n);
    }
  }
  return result;
}
