import assert from "node:assert/strict";
import {
  type AttentionLayout,
  causalAttention,
  crossEntropy,
  lowRankLinear,
  readFloat32,
  rmsNorm,
  rotary,
  selectBackend,
  swiglu,
  tf,
} from "../../src/tensor/mod.ts";
import { assertBackendsAgree, assertClose, assertFiniteDifferences, seededTensor } from "./_compare.ts";

type T2 = tf.Tensor2D;

Deno.test("rmsNorm() agrees on wasm and cpu, values and gradients", async () => {
  await assertBackendsAgree((x) => rmsNorm(x as T2, seededTensor([12], 50), 1e-5), [[7, 12]]);
  await assertBackendsAgree((x) => rmsNorm(x as T2, seededTensor([6], 50), 1e-5), [[3, 6]]);
});

Deno.test("rmsNorm() gives a variable gain its gradient", async () => {
  const gradients: Float32Array[] = [];
  for (const backend of ["cpu", "wasm"] as const) {
    await selectBackend(backend);
    const gain = tf.variable(seededTensor([8], 50));
    const x = seededTensor([5, 8], 1) as T2;
    const { value, grads } = tf.variableGrads(
      () => rmsNorm(x, gain, 1e-5).mul(seededTensor([5, 8], 2)).sum(),
      [gain],
    );
    gradients.push((await readFloat32(grads[gain.name])).slice());
    tf.dispose([value, grads, x]);
    gain.dispose();
  }
  assertClose(gradients[1], gradients[0], 2e-6, "gain");
});

Deno.test("swiglu() agrees on wasm and cpu, and with finite differences", async () => {
  const f = (gate: tf.Tensor, up: tf.Tensor): tf.Tensor => swiglu(gate.mul(4) as T2, up as T2);
  await assertBackendsAgree(f, [[5, 12], [5, 12]]);
  await assertFiniteDifferences("wasm", f, [[2, 4], [2, 4]]);
});

Deno.test("swiglu() saturates without NaN on wasm", async () => {
  await selectBackend("wasm");
  const gate = tf.tensor2d([[-1e4, -100, 100, 1e4]]);
  const y = swiglu(gate, tf.ones([1, 4]));
  assertClose(await readFloat32(y), [0, 0, 100, 1e4], 1e-6, "saturated");
  tf.dispose([gate, y]);
});

Deno.test("rotary() agrees on wasm and cpu, with one table for the batch and one row per token", async () => {
  for (const rows of [3, 6]) {
    const table = (): { cos: T2; sin: T2 } => {
      const angles = seededTensor([rows, 4], 60, 3);
      return { cos: angles.cos() as T2, sin: angles.sin() as T2 };
    };
    await assertBackendsAgree((x) => rotary(x as T2, table(), 2), [[6, 16]]);
  }
});

Deno.test("causalAttention() agrees on wasm and cpu: grouped heads, odd widths, padding, last position, cache", async () => {
  const cases: {
    layout: AttentionLayout;
    queries: number;
    keys: number;
    headDim: number;
    mask?: number[][];
  }[] = [
    { layout: { batch: 2, heads: 4, kvHeads: 4 }, queries: 9, keys: 9, headDim: 8 },
    { layout: { batch: 2, heads: 4, kvHeads: 2 }, queries: 5, keys: 5, headDim: 12 },
    { layout: { batch: 1, heads: 2, kvHeads: 1 }, queries: 1, keys: 11, headDim: 6 },
    { layout: { batch: 3, heads: 2, kvHeads: 2 }, queries: 2, keys: 6, headDim: 16 },
    {
      layout: { batch: 2, heads: 2, kvHeads: 1 },
      queries: 4,
      keys: 4,
      headDim: 8,
      mask: [[1, 1, 1, 1], [1, 0, 0, 1]],
    },
  ];
  for (const { layout, queries, keys, headDim, mask } of cases) {
    const { batch, heads, kvHeads } = layout;
    const attend = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor =>
      causalAttention(q as T2, k as T2, v as T2, {
        ...layout,
        ...(mask === undefined ? {} : { keyMask: tf.tensor2d(mask) }),
      });
    await assertBackendsAgree(attend, [
      [batch * queries, heads * headDim],
      [batch * keys, kvHeads * headDim],
      [batch * keys, kvHeads * headDim],
    ]);
  }
});

Deno.test("causalAttention() lets no query see a later or a padded key", async () => {
  for (const backend of ["cpu", "wasm"] as const) {
    await selectBackend(backend);
    const q = seededTensor([4, 8], 1) as T2;
    const k = seededTensor([4, 8], 2) as T2;
    const v = tf.tensor2d(new Float32Array(32).map((_, i) => i >= 16 ? 1e6 : 1), [4, 8]);
    const layout = { batch: 1, heads: 2, kvHeads: 2, keyMask: tf.tensor2d([[1, 1, 0, 0]]) };
    const y = causalAttention(q, k, v, layout);
    assertClose(await readFloat32(y), new Float32Array(32).fill(1), 1e-6, backend);
    tf.dispose([q, k, v, layout.keyMask, y]);
  }
});

Deno.test("lowRankLinear() agrees on wasm and cpu, one scale for all rows and one per row", async () => {
  for (const scaleRows of [1, 7]) {
    const f = (x: tf.Tensor, down: tf.Tensor, up: tf.Tensor, scale: tf.Tensor): tf.Tensor =>
      lowRankLinear(x as T2, seededTensor([10, 12], 70) as T2, seededTensor([12], 71), {
        down: down as T2,
        up: up as T2,
        scale: scale as T2,
      });
    const shapes = [[7, 10], [10, 6], [6, 12], [scaleRows, 6]];
    await assertBackendsAgree(f, shapes);
    await assertFiniteDifferences("wasm", f, shapes);
  }
});

Deno.test("crossEntropy() agrees on wasm and cpu, and is exact for certain and hopeless rows", async () => {
  const labels = (): tf.Tensor1D => tf.tensor1d([3, 0, 11], "int32");
  await assertBackendsAgree((logits) => crossEntropy(logits.mul(5) as T2, labels()), [[3, 12]]);
  await selectBackend("wasm");
  const logits = tf.tensor2d([[1000, 0, 0, 0], [0, 0, 1000, 0]]);
  const loss = crossEntropy(logits, tf.tensor1d([0, 1], "int32"));
  assert.equal((await readFloat32(loss))[0], 500);
  tf.dispose([logits, loss]);
});
