import assert from "node:assert/strict";
import { globalNorm, readFloat32, readScalar, tf } from "../../src/tensor/mod.ts";
import { LARGEST_DEPTH } from "../../src/tensor/_webgpu_matmul.ts";
import { assertClose, seededTensor } from "./_compare.ts";
import { exactProduct, webgpuTest } from "./_webgpu.ts";

/** Rows, depth and columns: single elements, primes, tiles and one more or less, thin, flat and deep (in slices). */
const SIZES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 300, 7],
  [2, 17, 64],
  [3, 128, 130],
  [4, 5, 6],
  [5, 7, 3],
  [7, 1, 5],
  [63, 64, 65],
  [64, 16, 64],
  [65, 15, 63],
  [67, 71, 73],
  [129, 33, 2],
  [5, 1100, 30],
  [70, 522, 33],
];

webgpuTest(
  "matMul() on webgpu agrees with float64 for odd sizes, every transposition and batch",
  async () => {
    for (const [rows, depth, columns] of SIZES) {
      for (const [transposeA, transposeB] of [[false, false], [true, false], [false, true], [true, true]]) {
        for (const [batchA, batchB] of rows * columns < 1000 ? [[1, 1], [3, 3], [3, 1], [1, 2]] : [[1, 1]]) {
          const shape = (batch: number, from: number, to: number, turned: boolean): number[] => [
            batch,
            ...(turned ? [to, from] : [from, to]),
          ];
          const a = seededTensor(shape(batchA, rows, depth, transposeA), 1);
          const b = seededTensor(shape(batchB, depth, columns, transposeB), 2);
          const product = tf.matMul(a, b, transposeA, transposeB);
          const [x, y, z] = [await readFloat32(a), await readFloat32(b), await readFloat32(product)];
          for (let batch = 0; batch < Math.max(batchA, batchB); batch++) {
            const atA = batchA === 1 ? 0 : batch * rows * depth;
            const atB = batchB === 1 ? 0 : batch * depth * columns;
            const exact = exactProduct(
              (m, k) => x[atA + (transposeA ? k * rows + m : m * depth + k)],
              (k, n) => y[atB + (transposeB ? n * depth + k : k * columns + n)],
              [rows, depth, columns],
            );
            const part = z.subarray(batch * rows * columns, (batch + 1) * rows * columns);
            assertClose(
              part,
              exact,
              2e-6,
              `${rows}x${depth}x${columns} ${transposeA} ${transposeB} ${batch}`,
            );
          }
          tf.dispose([a, b, product]);
        }
      }
    }
  },
);

webgpuTest(
  "matMul() on webgpu uses large tiles for large products and agrees with wasm's order of sums",
  async () => {
    // 8 x 8 tiles of 128: the threshold of the large-tile kernel, with a remainder on every axis.
    const [rows, depth, columns] = [1025, 18, 1027];
    const a = seededTensor([rows, depth], 3);
    const b = seededTensor([depth, columns], 4);
    const product = tf.matMul(a, b);
    const [x, y] = [await readFloat32(a), await readFloat32(b)];
    const exact = exactProduct((m, k) => x[m * depth + k], (k, n) => y[k * columns + n], [
      rows,
      depth,
      columns,
    ]);
    assertClose(await readFloat32(product), exact, 2e-6, "large tiles");
    tf.dispose([a, b, product]);
  },
);

webgpuTest("matMul() on webgpu sums depths beyond 65,535 iterations of an invocation", async () => {
  const depth = LARGEST_DEPTH + 1037;
  for (const rows of [1, 5]) {
    // Ones and a final spike: a loop that stopped early would miss it.
    const a = tf.ones([rows, depth]);
    const b = tf.tensor2d(new Float32Array(depth).map((_, k) => k === depth - 1 ? 1000 : (k & 1)), [
      1,
      depth,
    ]);
    const product = tf.matMul(a, b, false, true);
    for (const value of await readFloat32(product)) {
      assert.equal(value, Math.floor((depth - 1) / 2) + 1000);
    }
    tf.dispose([a, b, product]);
  }
});

webgpuTest("matMul() on webgpu leaves int32 to tfjs and frees what it allocates", async () => {
  const before = tf.memory().numTensors;
  const a = tf.tensor2d([[1, 2], [3, 4]], [2, 2], "int32");
  const product = tf.matMul(a, a);
  assert.deepEqual([...await product.data()], [7, 10, 15, 22]);
  tf.dispose([a, product]);
  assert.equal(tf.memory().numTensors, before);
});

webgpuTest("addN() and globalNorm() on webgpu take more tensors than one shader can bind", async () => {
  const before = tf.memory().numTensors;
  const tensors = Array.from({ length: 23 }, (_, i) => tf.tensor1d([i, 1]));
  for (const count of [1, 7, 8, 13, 14, 23]) {
    const sum = tf.addN(tensors.slice(0, count));
    assert.deepEqual([...await readFloat32(sum)], [count * (count - 1) / 2, count]);
    sum.dispose();
  }
  const norm = globalNorm(tensors);
  assert.ok(Math.abs(await readScalar(norm) - Math.sqrt(3795 + 23)) < 1e-4);
  tf.dispose([norm, ...tensors]);
  assert.equal(tf.memory().numTensors, before);
});
