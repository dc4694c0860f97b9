import assert from "node:assert/strict";
import { verifyM3oe } from "../../src/m3oe/mod.ts";
import { type BackendName, selectBackend } from "../../src/tensor/mod.ts";
import { required, sharedTest } from "../_shared.ts";

/** WebGPU joins where FEDKIM_REQUIRE asks for it: a software adapter compiles shaders for minutes. */
const backends: BackendName[] = ["wasm", "cpu", ...(required("webgpu") ? ["webgpu" as const] : [])];

for (const name of ["m3oe_5", "m3oe_6"]) {
  sharedTest(
    `verifyM3oe() lands within 1e-5 of float64, values and gradients: ${name}`,
    `vectors/m3oe/${name}.safetensors`,
    async (path) => {
      for (const backend of backends) {
        await selectBackend(backend);
        const { maxRelativeError } = await verifyM3oe(path);
        assert.equal(Object.keys(maxRelativeError).length, 13);
        for (const [quantity, error] of Object.entries(maxRelativeError)) {
          assert.ok(error < 1e-5, `${backend} ${quantity}: ${error}`);
        }
      }
    },
  );
}
