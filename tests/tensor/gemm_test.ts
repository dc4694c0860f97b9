import assert from "node:assert/strict";
import { assemble } from "../../src/tensor/_wasm_assembler.ts";
import { gemmSource, PANEL } from "../../src/tensor/_wasm_gemm_source.ts";
import { planRuns } from "../../src/tensor/_wasm_elementwise.ts";
import { readFloat32, selectBackend, tf } from "../../src/tensor/mod.ts";
import { assertClose, seededTensor } from "./_compare.ts";

for (const fused of [false, true]) {
  const bytes = assemble([gemmSource({ fused })]);
  Deno.test({
    name: `the ${
      fused ? "fused" : "plain"
    } gemm kernel multiplies and accumulates for every remainder of rows and depth`,
    ignore: fused && !WebAssembly.validate(bytes),
    fn: () => {
      const memory = new WebAssembly.Memory({ initial: 4 });
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
      const gemm = exports.gemm as (...numbers: number[]) => void;
      const heap = new Float32Array(memory.buffer);
      for (const rows of [1, 3, 4, 6, 7, 13]) {
        for (const depth of [1, 3, 4, 9]) {
          const [a, b, c, columns] = [0, 4096, 8192, 2 * PANEL];
          for (let i = 0; i < rows * depth; i++) heap[a + i] = Math.sin(i);
          for (let i = 0; i < depth * columns; i++) heap[b + i] = Math.cos(i);
          heap.fill(1, c, c + rows * columns);
          const numbers = [4 * a, 4 * depth, 4, 4 * b, 4 * columns, 4 * PANEL, 4 * c, 4 * columns];
          gemm(rows, depth, 2, ...numbers, 1);
          for (let i = 0; i < rows; i++) {
            for (let j = 0; j < columns; j++) {
              let exact = 1;
              for (let k = 0; k < depth; k++) exact += heap[a + i * depth + k] * heap[b + k * columns + j];
              assert.ok(Math.abs(heap[c + i * columns + j] - exact) < 1e-5);
            }
          }
          assert.equal(heap[c + rows * columns], 0, "wrote behind the last row");
          heap[c + rows * columns] = 0;
          heap.fill(0, c);
        }
      }
    },
  });
}

Deno.test("matMul() on wasm agrees with cpu beyond the block sizes", async () => {
  const results: Float32Array[] = [];
  for (const backend of ["cpu", "wasm"] as const) {
    await selectBackend(backend);
    const [a, b] = [seededTensor([201, 523], 1), seededTensor([37, 523], 2)];
    const products = [tf.matMul(a, b, false, true), tf.matMul(a, a, true, false).slice([0, 0], [20, 523])];
    for (const product of products) results.push((await readFloat32(product)).slice());
    tf.dispose([a, b, ...products]);
  }
  assertClose(results[2], results[0], 1e-5, "NT");
  assertClose(results[3], results[1], 1e-5, "TN");
});

Deno.test("add, sub, mul and div on wasm agree with cpu for every kind of broadcast", async () => {
  const shapes: [number[], number[]][] = [
    [[3, 17], [3, 17]],
    [[3, 17], []],
    [[], [3, 17]],
    [[3, 17], [1]],
    [[4, 3, 17], [17]],
    [[17], [4, 3, 17]],
    [[4, 3, 17], [3, 17]],
    [[4, 3, 17], [4, 3, 1]],
    [[4, 1, 1], [4, 3, 17]],
    [[4, 3, 17], [4, 1, 17]],
    [[3, 1], [1, 9]],
    [[5, 2], [2]],
    [[5, 2], [5, 1]],
    [[1, 8], [8]],
  ];
  const results: Record<string, Float32Array[]> = { cpu: [], wasm: [] };
  for (const backend of ["cpu", "wasm"] as const) {
    await selectBackend(backend);
    for (const [a, b] of shapes) {
      const [x, y] = [seededTensor(a, 1).add(3), seededTensor(b, 2).add(3)];
      for (const result of [tf.add(x, y), tf.sub(x, y), tf.mul(x, y), tf.div(x, y)]) {
        results[backend].push((await readFloat32(result)).slice());
        result.dispose();
      }
    }
  }
  results.cpu.forEach((values, i) =>
    assertClose(results.wasm[i], values, 1e-6, `case ${i >> 2}, operation ${i & 3}`)
  );
});

Deno.test("planRuns() leaves what it cannot split to the stock kernel", () => {
  assert.equal(planRuns([4, 3, 17], [4, 1, 17]), undefined);
  assert.equal(planRuns([0, 3], [3]), undefined);
  assert.equal(planRuns([3, 1], [1, 9]), undefined);
});
