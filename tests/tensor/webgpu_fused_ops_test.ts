import assert from "node:assert/strict";
import {
  type AttentionLayout,
  causalAttention,
  readFloat32,
  rmsNorm,
  rotary,
  swiglu,
  tf,
} from "../../src/tensor/mod.ts";
import { assertClose, seededTensor, valueAndGradients } from "./_compare.ts";
import { webgpuTest } from "./_webgpu.ts";

type T2 = tf.Tensor2D;
type Op = (...inputs: tf.Tensor[]) => tf.Tensor;

/** Value and gradients of the fused shaders on webgpu against the composed ops on cpu. */
async function agrees(what: string, f: Op, shapes: readonly number[][], tolerance = 5e-6): Promise<void> {
  const expected = await valueAndGradients("cpu", f, shapes);
  const actual = await valueAndGradients("webgpu", f, shapes);
  for (const [index, values] of expected.entries()) {
    assertClose(actual[index], values, tolerance, `${what} ${index === 0 ? "value" : `gradient ${index}`}`);
  }
}

webgpuTest("rmsNorm() on webgpu agrees with cpu for rows that fit no workgroup", async () => {
  for (const [rows, columns] of [[1, 3], [7, 12], [3, 65], [67, 130]]) {
    const f: Op = (x) => rmsNorm(x as T2, seededTensor([columns], 50), 1e-5);
    await agrees(`${rows}x${columns}`, f, [[rows, columns]]);
  }
  const x = tf.zeros([2, 5]) as T2;
  const y = rmsNorm(x, seededTensor([5], 50), 1e-5);
  assertClose(await readFloat32(y), new Float32Array(10), 1e-6, "zeros");
  tf.dispose([x, y]);
});

webgpuTest("swiglu() on webgpu agrees with cpu and saturates without NaN", async () => {
  for (const shape of [[1, 3], [5, 12], [13, 77]]) {
    await agrees(`${shape}`, (gate, up) => swiglu(gate.mul(4) as T2, up as T2), [shape, shape]);
  }
  const gate = tf.tensor2d([[-1e4, -100, 100, 1e4]]);
  const ones = tf.ones([1, 4]) as T2;
  const results = tf.tidy(() => [
    swiglu(gate, ones),
    tf.grad((g: tf.Tensor) => swiglu(g as T2, ones))(gate),
  ]);
  assertClose(await readFloat32(results[0]), [0, 0, 100, 1e4], 1e-6, "saturated");
  assertClose(await readFloat32(results[1]), [0, 0, 1, 1], 1e-6, "gradient");
  tf.dispose([gate, ones, ...results]);
});

webgpuTest(
  "rotary() on webgpu agrees with cpu for odd halves, shared tables and one row per token",
  async () => {
    for (const [rows, half, heads] of [[3, 4, 2], [6, 3, 5], [6, 1, 1]]) {
      const f: Op = (x) => {
        const angles = seededTensor([rows, half], 60, 3);
        return rotary(x as T2, { cos: angles.cos() as T2, sin: angles.sin() as T2 }, heads);
      };
      await agrees(`${rows}x${half}x${heads}`, f, [[6, 2 * half * heads]]);
    }
  },
);

webgpuTest(
  "causalAttention() on webgpu agrees with cpu: groups, odd widths, padding, cache, long rows",
  async () => {
    const cases: [AttentionLayout, queries: number, keys: number, headDim: number, mask?: number[][]][] = [
      [{ batch: 2, heads: 4, kvHeads: 4 }, 9, 9, 8],
      [{ batch: 2, heads: 6, kvHeads: 2 }, 5, 5, 12],
      [{ batch: 1, heads: 2, kvHeads: 1 }, 1, 11, 6],
      [{ batch: 3, heads: 2, kvHeads: 2 }, 2, 6, 5],
      [{ batch: 1, heads: 2, kvHeads: 1 }, 67, 131, 3],
      [{ batch: 1, heads: 1, kvHeads: 1 }, 2, 515, 4],
      [{ batch: 2, heads: 4, kvHeads: 2 }, 4, 7, 6, [[1, 1, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 0, 1]]],
      [{ batch: 2, heads: 4, kvHeads: 2 }, 5, 7, 6, [[1, 1, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 0, 1]]],
      [{ batch: 2, heads: 2, kvHeads: 1 }, 4, 4, 8, [[1, 1, 1, 1], [1, 0, 0, 1]]],
      [{ batch: 2, heads: 2, kvHeads: 1 }, 4, 4, 8, [[0, 0, 1, 1], [0, 1, 1, 0]]],
    ];
    for (const [layout, queries, keys, headDim, mask] of cases) {
      const { batch, heads, kvHeads } = layout;
      const f: Op = (q, k, v) =>
        causalAttention(q as T2, k as T2, v as T2, {
          ...layout,
          ...(mask === undefined ? {} : { keyMask: tf.tensor2d(mask) }),
        });
      const shapes = [
        [batch * queries, heads * headDim],
        [batch * keys, kvHeads * headDim],
        [batch * keys, kvHeads * headDim],
      ];
      await agrees(`${JSON.stringify(layout)} ${queries}x${keys}x${headDim}`, f, shapes);
    }
  },
);

webgpuTest("a decoder layer's ops take few dispatches on webgpu", () => {
  const dispatches = (f: () => tf.Tensor): number => {
    const backend = tf.backend() as unknown as { runWebGPUProgram: (...all: unknown[]) => unknown };
    const run = backend.runWebGPUProgram;
    let count = 0;
    backend.runWebGPUProgram = (...all) => (count++, run.apply(backend, all));
    try {
      tf.dispose(tf.tidy(f));
    } finally {
      backend.runWebGPUProgram = run;
    }
    return count;
  };
  const x = seededTensor([6, 16], 1) as T2;
  const gain = seededTensor([16], 2);
  const angles = seededTensor([6, 4], 3) as T2;
  const counts = {
    rmsNorm: dispatches(() => rmsNorm(x, gain, 1e-5)),
    swiglu: dispatches(() => swiglu(x, x)),
    rotary: dispatches(() => rotary(x, { cos: angles, sin: angles }, 2)),
    attention: dispatches(() => causalAttention(x, x, x, { batch: 1, heads: 2, kvHeads: 2 })),
    generation: dispatches(() => causalAttention(x.slice([5, 0]), x, x, { batch: 1, heads: 2, kvHeads: 2 })) -
      1,
  };
  tf.dispose([x, gain, angles]);
  assert.deepEqual(counts, { rmsNorm: 2, swiglu: 1, rotary: 1, attention: 7, generation: 2 });
  return Promise.resolve();
});
