import assert from "node:assert/strict";
import { verifyM3oe } from "../../src/m3oe/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { sharedTest } from "../_shared.ts";

for (const name of ["m3oe_5", "m3oe_6"]) {
  sharedTest(
    `verifyM3oe() lands within 1e-5 of float64, values and gradients: ${name}`,
    `vectors/m3oe/${name}.safetensors`,
    async (path) => {
      for (const backend of ["wasm", "cpu"] as const) {
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
