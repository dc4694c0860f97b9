import assert from "node:assert/strict";
import {
  AdamW,
  clipFactor,
  readFloat32,
  readScalar,
  selectBackend,
  tf,
  warmupCosine,
} from "../../src/tensor/mod.ts";
import { assertClose, seededTensor } from "./_compare.ts";

Deno.test("AdamW follows the published update in float64, on wasm and cpu", async () => {
  const [rate, beta1, beta2, epsilon, weightDecay] = [0.01, 0.9, 0.99, 1e-8, 0.1];
  for (const backend of ["cpu", "wasm"] as const) {
    await selectBackend(backend);
    const variable = tf.variable(seededTensor([3, 5], 1));
    const optimizer = new AdamW([variable], { beta1, beta2, epsilon, weightDecay });
    const expected = Float64Array.from(await readFloat32(variable));
    const [m, v] = [new Float64Array(15), new Float64Array(15)];
    for (let step = 1; step <= 4; step++) {
      const gradient = seededTensor([3, 5], 10 + step);
      const g = await readFloat32(gradient);
      const factor = tf.scalar(0.5);
      optimizer.step([gradient], rate, factor);
      expected.forEach((value, i) => {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i] / 2;
        v[i] = beta2 * v[i] + (1 - beta2) * (g[i] / 2) ** 2;
        const update = m[i] / (1 - beta1 ** step) / (Math.sqrt(v[i] / (1 - beta2 ** step)) + epsilon);
        expected[i] = value * (1 - rate * weightDecay) - rate * update;
      });
      tf.dispose([gradient, factor]);
    }
    assertClose(await readFloat32(variable), expected, 1e-6, backend);
    optimizer.dispose();
    variable.dispose();
  }
});

Deno.test("AdamW does not decay vectors", async () => {
  await selectBackend("wasm");
  const before = tf.memory().numTensors;
  const bias = tf.tidy(() => tf.variable(tf.tensor1d([1, 2, 3])));
  const optimizer = new AdamW([bias], { weightDecay: 0.5 });
  const zero = tf.zeros([3]);
  optimizer.step([zero], 0.1);
  assert.deepEqual([...await readFloat32(bias)], [1, 2, 3]);
  optimizer.dispose();
  tf.dispose([bias, zero]);
  assert.equal(tf.memory().numTensors, before, "tensors were leaked");
});

Deno.test("clipFactor() brings a long gradient to the bound and leaves a short one", async () => {
  await selectBackend("wasm");
  const gradients = [tf.tensor1d([3]), tf.tensor1d([4])];
  const [long, short] = [clipFactor(gradients, 1), clipFactor(gradients, 10)];
  assert.ok(Math.abs(await readScalar(long) - 0.2) < 1e-6);
  assert.equal(await readScalar(short), 1);
  tf.dispose([...gradients, long, short]);
});

Deno.test("warmupCosine() rises to one and falls to the floor", () => {
  const factors = Array.from({ length: 101 }, (_, step) => warmupCosine(step, 100, 0.1, 0.05));
  assert.equal(Math.max(...factors), 1);
  assert.ok(factors[0] <= 0.1 + 1e-12);
  assert.ok(Math.abs(factors[100] - 0.05) < 1e-12);
  assert.ok(factors.slice(10).every((factor, i, all) => i === 0 || factor <= all[i - 1]));
});
