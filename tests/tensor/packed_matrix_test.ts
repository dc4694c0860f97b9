import assert from "node:assert/strict";
import { FedKimError } from "../../src/formats/errors.ts";
import {
  denseWeight,
  gatherRows,
  linear,
  linearWeight,
  PackedMatrix,
  readFloat32,
  readLinearWeight,
  readScalar,
  readTable,
  selectBackend,
  tableMeanSquare,
  tableScores,
  tf,
  tokenTable,
  uniformValues,
  WEIGHT_FORMS,
} from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { decodeRows, encodeRows } from "../../src/tensor/weight_form.ts";
import { assertClose, seededTensor } from "./_compare.ts";
import { exactProduct, webgpuTest } from "./_webgpu.ts";

type T2 = tf.Tensor2D;

/** Rows of x, inputs, outputs. */
const SIZES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 97, 131],
  [3, 64, 40],
  [4, 33, 7],
  [5, 31, 2],
  [66, 70, 67],
  [6, 610, 530],
];

/** A weight `[out, in]` and the values that a form keeps of it. */
function weightOf(output: number, input: number, form: (typeof WEIGHT_FORMS)[number]): {
  values: Float32Array;
  kept: Float32Array;
} {
  const values = uniformValues(output * input, 0.1, new SeededRandom(output + input));
  return { values, kept: decodeRows(encodeRows(values, input, form), input, form) };
}

webgpuTest(
  "linear() with packed weights agrees with float64 in every form, forwards and backwards",
  async () => {
    const before = tf.memory().numTensors;
    for (const form of WEIGHT_FORMS) {
      for (const [rows, input, output] of SIZES) {
        const { values, kept } = weightOf(output, input, form);
        const weight = linearWeight(values, [input, output], form);
        assert.ok(weight instanceof PackedMatrix);
        const x = seededTensor([rows, input], 5) as T2;
        const bias = seededTensor([output], 6);
        const upstream = seededTensor([rows, output], 7);
        const y = tf.tidy(() => linear(x, weight, bias));
        const dx = tf.tidy(() =>
          tf.grad((z: tf.Tensor) => linear(z as T2, weight, bias).mul(upstream).sum())(x)
        );
        const [xs, bs, us] = [await readFloat32(x), await readFloat32(bias), await readFloat32(upstream)];
        const forward = exactProduct((m, k) => xs[m * input + k], (k, n) => kept[n * input + k], [
          rows,
          input,
          output,
        ])
          .map((value, i) => value + bs[i % output]);
        const back = exactProduct(
          (m, k) => us[m * output + k],
          (k, n) => kept[k * input + n],
          [rows, output, input],
        );
        assertClose(await readFloat32(y), forward, 2e-6, `${form} ${rows}x${input}x${output}`);
        assertClose(await readFloat32(dx), back, 2e-6, `${form} ${rows}x${input}x${output} backwards`);
        tf.dispose([x, bias, upstream, y, dx]);
        weight.dispose();
      }
    }
    assert.equal(tf.memory().numTensors, before, "tensors were leaked");
  },
);

webgpuTest("a packed matrix split below the binding limit gives what an unsplit one gives", async () => {
  const [output, input] = [83, 45];
  for (const form of WEIGHT_FORMS) {
    const { values } = weightOf(output, input, form);
    const whole = PackedMatrix.pack(values, [output, input], form);
    const split = PackedMatrix.pack(values, [output, input], form, Math.ceil(whole.bytes / 2.5));
    assert.ok(split.parts.length >= 3, `${form}: ${split.parts.length} parts`);
    assert.equal(split.parts.reduce((sum, { rows }) => sum + rows, 0), output);
    for (const rows of [2, 9]) {
      const x = seededTensor([rows, input], 8) as T2;
      const upstream = seededTensor([rows, output], 9);
      const results: Float32Array[][] = [];
      for (const weight of [whole, split]) {
        const bias = seededTensor([output], 3);
        const y = linear(x, weight, bias);
        const dx = tf.tidy(() => tf.grad((z: tf.Tensor) => linear(z as T2, weight).mul(upstream).sum())(x));
        const picked = gatherRows(weight, [82, 0, 40, 40, 17]);
        results.push([await readFloat32(y), await readFloat32(dx), await readFloat32(picked)]);
        tf.dispose([bias, y, dx, picked]);
      }
      results[0].forEach((values, i) => assertClose(results[1][i], values, 1e-6, `${form} result ${i}`));
      tf.dispose([x, upstream]);
    }
    whole.dispose();
    split.dispose();
  }
});

webgpuTest("a packed table gives back its rows, its values and its mean square", async () => {
  for (const form of WEIGHT_FORMS) {
    const { values, kept } = weightOf(37, 50, form);
    const table = tokenTable(values, [37, 50], form);
    const rows = gatherRows(table, [36, 3, 3, 0]);
    const expected = [36, 3, 3, 0].flatMap((row) => [...kept.subarray(row * 50, (row + 1) * 50)]);
    assertClose(await readFloat32(rows), expected, 1e-7, form);
    for (const outside of [-1, 37]) assert.throws(() => gatherRows(table, [0, outside]), FedKimError);
    assertClose(await readTable(table), kept, 1e-7, form);
    const dense = denseWeight(linearWeight(values, [50, 37], form));
    assert.deepEqual(dense.shape, [50, 37]);
    assertClose(await readLinearWeight(dense), kept, 1e-7, form);
    const square = tableMeanSquare(table);
    const exact = kept.reduce((sum, value) => sum + value * value, 0) / kept.length;
    assert.ok(Math.abs(await readScalar(square) - exact) < 1e-5 * exact);
    tf.dispose([rows, dense, square]);
    table.dispose();
  }
});

Deno.test("weights in every form give the same scores on cpu and wasm: the values that the form keeps", async () => {
  for (const form of WEIGHT_FORMS) {
    const { values, kept } = weightOf(19, 40, form);
    for (const backend of ["cpu", "wasm"] as const) {
      await selectBackend(backend);
      const x = seededTensor([3, 40], 4) as T2;
      const xs = await readFloat32(x);
      const exact = exactProduct((m, k) => xs[m * 40 + k], (k, n) => kept[n * 40 + k], [3, 40, 19]);
      const weight = linearWeight(values, [40, 19], form);
      const table = tokenTable(values, [19, 40], form);
      for (const scores of [linear(x, weight), tableScores(x, table)]) {
        assertClose(await readFloat32(scores), exact, 2e-6, `${form} on ${backend}`);
        scores.dispose();
      }
      weight.dispose();
      table.dispose();
      x.dispose();
    }
  }
});

Deno.test("PackedMatrix refuses another backend with a remedy", async () => {
  await selectBackend("wasm");
  assert.throws(
    () => PackedMatrix.pack(new Float32Array(4), [2, 2], "float16"),
    (error: unknown) => error instanceof FedKimError && error.code === "BackendError",
  );
});
