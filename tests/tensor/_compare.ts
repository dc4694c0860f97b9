import assert from "node:assert/strict";
import { type BackendName, readFloat32, selectBackend, tf, uniformValues } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";

/** Uniform values of a shape, the same for every backend. */
export function seededTensor(shape: number[], seed: number, limit = 1): tf.Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  return tf.tensor(uniformValues(size, limit, new SeededRandom(seed)), shape);
}

/** Fails unless two lists of values agree to `tolerance` of the largest one. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assert.equal(actual.length, expected.length, what);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]));
  for (let i = 0; i < expected.length; i++) {
    assert.ok(
      Math.abs(actual[i] - expected[i]) <= tolerance * Math.max(largest, 1e-6),
      `${what}: element ${i} is ${actual[i]}, expected ${expected[i]}`,
    );
  }
}

/** Value and gradients of sum(f(inputs) * upstream) on one backend. */
export async function valueAndGradients(
  backend: BackendName,
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  shapes: readonly number[][],
): Promise<Float32Array[]> {
  await selectBackend(backend);
  const before = tf.memory().numTensors;
  const inputs = shapes.map((shape, index) => seededTensor(shape, index + 1));
  const value = tf.tidy(() => f(...inputs));
  const upstream = seededTensor(value.shape, 99);
  const gradients = tf.tidy(() => tf.grads((...xs: tf.Tensor[]) => f(...xs).mul(upstream).sum())(inputs));
  const results: Float32Array[] = [];
  for (const tensor of [value, ...gradients]) results.push((await readFloat32(tensor)).slice());
  tf.dispose([...inputs, value, upstream, ...gradients]);
  assert.equal(tf.memory().numTensors, before, "tensors were leaked");
  return results;
}

/** Asserts that wasm's fused kernels agree with the composed ops on cpu, values and gradients. */
export async function assertBackendsAgree(
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  shapes: readonly number[][],
  tolerance = 2e-6,
): Promise<void> {
  const expected = await valueAndGradients("cpu", f, shapes);
  const actual = await valueAndGradients("wasm", f, shapes);
  for (const [index, values] of expected.entries()) {
    assertClose(actual[index], values, tolerance, index === 0 ? "value" : `gradient ${index}`);
  }
}

/** Asserts gradients on one backend against central finite differences of the same function. */
export async function assertFiniteDifferences(
  backend: BackendName,
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  shapes: readonly number[][],
): Promise<void> {
  const [, ...gradients] = await valueAndGradients(backend, f, shapes);
  const inputs = shapes.map((shape, index) => seededTensor(shape, index + 1));
  const valueAt = async (which: number, at: number, shift: number): Promise<number> => {
    const moved = await Promise.all(inputs.map(async (tensor, index) => {
      const values = (await readFloat32(tensor)).slice();
      if (index === which) values[at] += shift;
      return tf.tensor(values, tensor.shape);
    }));
    const y = tf.tidy(() => f(...moved));
    const weights = seededTensor(y.shape, 99);
    const [values, factors] = [await readFloat32(y), await readFloat32(weights)];
    tf.dispose([...moved, y, weights]);
    return values.reduce((sum, value, i) => sum + value * factors[i], 0);
  };
  const step = 5e-3;
  for (const [which, gradient] of gradients.entries()) {
    const scale = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (const at of [0, gradient.length >> 1, gradient.length - 1]) {
      const numeric = (await valueAt(which, at, step) - await valueAt(which, at, -step)) / (2 * step);
      assert.ok(
        Math.abs(numeric - gradient[at]) < 5e-3 * scale + 2e-4,
        `input ${which} at ${at}: ${numeric}, ${gradient[at]}`,
      );
    }
  }
  tf.dispose(inputs);
}
