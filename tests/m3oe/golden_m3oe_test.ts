import assert from "node:assert/strict";
import { verifyM3oe } from "../../src/m3oe/mod.ts";
import { type BackendName, selectBackend } from "../../src/tensor/mod.ts";
import { required, sharedTest, testNeeding } from "../_shared.ts";

async function assertGolden(backend: BackendName, path: string): Promise<void> {
  await selectBackend(backend);
  const { maxRelativeError } = await verifyM3oe(path);
  assert.equal(Object.keys(maxRelativeError).length, 13);
  for (const [quantity, error] of Object.entries(maxRelativeError)) {
    assert.ok(error < 1e-5, `${backend} ${quantity}: ${error}`);
  }
}

for (const name of ["m3oe_5", "m3oe_6"]) {
  const file = `vectors/m3oe/${name}.safetensors`;
  for (const backend of ["wasm", "cpu"] as const) {
    sharedTest(
      `verifyM3oe() on ${backend} lands within 1e-5 of float64, values and gradients: ${name}`,
      file,
      (path) => assertGolden(backend, path),
    );
  }
  const title = `verifyM3oe() on webgpu lands within 1e-5 of float64, values and gradients: ${name}`;
  if (required("webgpu")) {
    sharedTest(title, file, (path) => assertGolden("webgpu", path));
  } else {
    // A software adapter compiles shaders for minutes.
    testNeeding("webgpu", 'FEDKIM_REQUIRE has no "webgpu"', title, () => {});
  }
}
