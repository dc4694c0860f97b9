import assert from "node:assert/strict";
import { verifyDecoder } from "../../src/foundation/mod.ts";
import { type BackendName, selectBackend } from "../../src/tensor/mod.ts";
import { required, sharedTest } from "../_shared.ts";
import { webgpuTest } from "../tensor/_webgpu.ts";

/** Logits, loss, states and gradients within 1e-4 of transformers in float64, the greedy continuation the same. */
async function agrees(folder: string, backend: BackendName): Promise<void> {
  await selectBackend(backend);
  const { maxRelativeError, greedyMatches } = await verifyDecoder(folder);
  const quantities = ["logits", "loss", "hidden_0", "hidden_1", "hidden_2", "grad_inputs_embeds"];
  assert.deepEqual(Object.keys(maxRelativeError).sort(), quantities.sort());
  for (const [quantity, error] of Object.entries(maxRelativeError)) {
    assert.ok(error < 1e-4, `${backend} ${quantity}: ${error}`);
  }
  assert.equal(greedyMatches, true);
}

/** Written by `golden/make.py`. */
const GOLDEN = [
  "llama3_rope_biased_f16",
  "mistral_linear_rope_bf16_sharded",
  "qwen2_tied_f16",
  "internlm2_fused_f32",
];

for (const name of GOLDEN) {
  const folder = new URL(`golden/${name}`, import.meta.url).pathname;
  Deno.test(`verifyDecoder() lands within 1e-4 of transformers in float64 on wasm and cpu: ${name}`, async () => {
    for (const backend of ["wasm", "cpu"] as const) await agrees(folder, backend);
  });
  webgpuTest(`verifyDecoder() lands within 1e-4 of transformers in float64 on webgpu: ${name}`, async () => {
    await agrees(folder, "webgpu");
  });
}

/** WebGPU joins where FEDKIM_REQUIRE asks for it: a software adapter compiles shaders for minutes. */
const backends: BackendName[] = ["wasm", "cpu", ...(required("webgpu") ? ["webgpu" as const] : [])];

for (const name of ["llama_gqa", "qwen2_tied_bf16_sharded", "internlm2_fused_wqkv"]) {
  sharedTest(
    `verifyDecoder() lands within 1e-4 of transformers in float64: ${name}`,
    `vectors/decoder/${name}`,
    async (path) => {
      for (const backend of backends) await agrees(path, backend);
    },
  );
}
