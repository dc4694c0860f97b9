import assert from "node:assert/strict";
import { accurateSum, globalNorm, readFloat32, readScalar, selectBackend, tf } from "../../src/tensor/mod.ts";
import { uniformValues } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { FedKimError } from "../../src/formats/errors.ts";

Deno.test("selectBackend() never leaves `auto` on a software GPU and says why", async () => {
  const info = await selectBackend("auto");
  assert.ok(info.name !== "webgpu" || !info.software);
  assert.equal(tf.getBackend(), info.name);
  assert.ok(info.reason.length > 0);
});

Deno.test("selectBackend() refuses an unknown name with a BackendError", async () => {
  await assert.rejects(
    () => selectBackend("metal" as unknown as "cpu"),
    (error: unknown) => error instanceof FedKimError && error.code === "BackendError",
  );
});

const shapes: [number[], number[], boolean, boolean][] = [
  [[5, 7], [7, 3], false, false],
  [[7, 5], [7, 3], true, false],
  [[5, 7], [3, 7], false, true],
  [[7, 5], [3, 7], true, true],
  [[3, 5, 7], [3, 7, 2], false, false],
  [[3, 7, 5], [3, 7, 2], true, false],
  [[3, 5, 7], [3, 2, 7], false, true],
  [[2, 2, 7, 5], [2, 2, 3, 7], true, true],
  [[3, 5, 7], [1, 7, 2], false, false],
  [[17, 33], [33, 65], false, false],
  [[1, 1], [1, 1], false, true],
  [[130, 19], [19, 9], false, false],
];

Deno.test("matMul() on wasm agrees with cpu for every transposition and batch", async () => {
  const random = new SeededRandom(1);
  const operands = shapes.map(([a, b]) => [
    uniformValues(a.reduce((p, n) => p * n), 1, random),
    uniformValues(b.reduce((p, n) => p * n), 1, random),
  ]);
  const results: Record<string, Float32Array[]> = {};
  for (const backend of ["cpu", "wasm"] as const) {
    await selectBackend(backend);
    results[backend] = [];
    for (const [index, [a, b, transposeA, transposeB]] of shapes.entries()) {
      const product = tf.tidy(() =>
        tf.matMul(
          tf.tensor(operands[index][0], a),
          tf.tensor(operands[index][1], b),
          transposeA,
          transposeB,
        )
      );
      results[backend].push(await readFloat32(product));
      product.dispose();
    }
  }
  for (const [index, expected] of results.cpu.entries()) {
    expected.forEach((value, i) =>
      assert.ok(Math.abs(value - results.wasm[index][i]) < 1e-5, `case ${index}`)
    );
  }
});

Deno.test("the gradient of gather on wasm adds up repeated indices", async () => {
  await selectBackend("wasm");
  const gradient = tf.tidy(() =>
    tf.grad((table: tf.Tensor) =>
      tf.gather(table, tf.tensor1d([2, 0, 2], "int32")).mul(tf.tensor2d([[1], [10], [100]]))
    )(
      tf.zeros([4, 2]),
    )
  );
  assert.deepEqual([...await readFloat32(gradient)], [10, 10, 0, 0, 101, 101, 0, 0]);
  gradient.dispose();
});

Deno.test("accurateSum() stays within 1e-6 of float64 where the backend's own sum does not", async () => {
  await selectBackend("wasm");
  const values = uniformValues(2_000_003, 1, new SeededRandom(7)).map((value) => value * value);
  const exact = values.reduce((sum, value) => sum + value, 0);
  const tensor = tf.tensor1d(values);
  const total = accurateSum(tensor);
  assert.ok(Math.abs(await readScalar(total) - exact) / exact < 1e-6);
  const norm = globalNorm([tf.tensor1d([3]), tf.tensor2d([[0, 4]])]);
  assert.equal(await readScalar(norm), 5);
  tf.dispose([tensor, total, norm]);
});

Deno.test("a run on wasm prints nothing", async () => {
  const script = `import { selectBackend, tf, readFloat32 } from ${
    JSON.stringify(new URL("../../src/tensor/mod.ts", import.meta.url).href)
  }; for (const b of ["auto", "cpu"]) { await selectBackend(b); await readFloat32(tf.add(1, 2)); }`;
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--config", new URL("../../deno.json", import.meta.url).pathname, script],
    env: { XDG_RUNTIME_DIR: "" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  assert.equal(new TextDecoder().decode(stdout), "");
});
