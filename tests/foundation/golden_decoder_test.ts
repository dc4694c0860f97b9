import assert from "node:assert/strict";
import { verifyDecoder } from "../../src/foundation/mod.ts";
import { type BackendName, selectBackend } from "../../src/tensor/mod.ts";
import { required, sharedTest } from "../_shared.ts";

/** WebGPU joins where FEDKIM_REQUIRE asks for it: a software adapter compiles shaders for minutes. */
const backends: BackendName[] = ["wasm", "cpu", ...(required("webgpu") ? ["webgpu" as const] : [])];

for (const name of ["llama_gqa", "qwen2_tied_bf16_sharded", "internlm2_fused_wqkv"]) {
  sharedTest(
    `verifyDecoder() lands within 1e-4 of transformers in float64: ${name}`,
    `vectors/decoder/${name}`,
    async (path) => {
      for (const backend of backends) {
        await selectBackend(backend);
        const { maxRelativeError, greedyMatches } = await verifyDecoder(path);
        const quantities = ["logits", "loss", "hidden_0", "hidden_1", "hidden_2", "grad_inputs_embeds"];
        assert.deepEqual(Object.keys(maxRelativeError).sort(), quantities.sort());
        for (const [quantity, error] of Object.entries(maxRelativeError)) {
          assert.ok(error < 1e-4, `${backend} ${quantity}: ${error}`);
        }
        assert.equal(greedyMatches, true);
      }
    },
  );
}
