import assert from "node:assert/strict";
import { FedKimError } from "../../src/formats/errors.ts";
import {
  deviceMemory,
  PackedMatrix,
  readFloat32,
  resetTensorMemory,
  selectBackend,
  tensorMemory,
  tf,
} from "../../src/tensor/mod.ts";
import type { WasmBackend } from "../../src/tensor/_wasm_heap.ts";
import { webgpuTest } from "./_webgpu.ts";

const isBackendError = (error: unknown): boolean =>
  error instanceof FedKimError && error.code === "BackendError" && error.details.remedy !== undefined;

webgpuTest("a tensor above the binding limit is refused on webgpu, never silent zeros", async () => {
  const { largestTensor } = await deviceMemory();
  assert.throws(() => tf.tidy(() => tf.fill([largestTensor / 4 + 1024], 1).add(1)), isBackendError);
  // The backend goes on working.
  const sum = tf.add(tf.tensor1d([1, 2]), 1);
  assert.deepEqual([...await readFloat32(sum)], [2, 3]);
  sum.dispose();
});

webgpuTest("a packed row that no part can hold is refused", () => {
  assert.throws(
    () => PackedMatrix.pack(new Float32Array(64 * 40), [40, 64], "float32", 1024),
    isBackendError,
  );
  return Promise.resolve();
});

webgpuTest("GPU buffers of sizes that are no longer used go back to the driver", async () => {
  resetTensorMemory();
  const start = tensorMemory().allocated;
  const mebibyte = 2 ** 18;
  for (let size = 1; size <= 40; size++) {
    const tensor = tf.fill([size * mebibyte], 1);
    await tf.add(tensor.slice([0], [1]), 0).data();
    tensor.dispose();
  }
  // All sizes together would be 820 MiB.
  assert.ok(tensorMemory().peak - start < 300 * 2 ** 20, `${tensorMemory().peak - start} bytes`);
  resetTensorMemory();
  assert.ok(tensorMemory().allocated - start < 2 ** 20);
});

webgpuTest(
  "an error that the GPU reports outside any call becomes an exception at the next read",
  async () => {
    const device =
      (tf.backend() as unknown as { device: { createBuffer(d: { size: number; usage: number }): void } })
        .device;
    device.createBuffer({ size: 16, usage: 0 });
    const tensor = tf.add(tf.tensor1d([1]), 1);
    await assert.rejects(() => readFloat32(tensor), isBackendError);
    assert.deepEqual([...await readFloat32(tensor)], [2]);
    tensor.dispose();
  },
);

Deno.test("a full WASM heap is an error, never an overwritten tensor", async () => {
  await selectBackend("wasm");
  const backend = tf.backend() as unknown as WasmBackend;
  const made: tf.TensorInfo[] = [];
  // Untouched memory costs nothing: four times 1 GiB exceed the 32-bit address space.
  assert.throws(() => {
    for (let i = 0; i < 4; i++) made.push(backend.makeOutput([2 ** 28], "float32"));
  }, isBackendError);
  assert.equal(made.length, 3);
  for (const { dataId } of made) backend.disposeData(dataId);
});

Deno.test("deviceMemory() tells what the WASM heap and the system offer", async () => {
  for (const backend of ["wasm", "cpu"] as const) {
    await selectBackend(backend);
    const { bytes, largestTensor } = await deviceMemory();
    assert.ok(bytes !== undefined && bytes > 1e8 && largestTensor <= bytes);
  }
});
