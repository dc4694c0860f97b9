import assert from "node:assert/strict";
import { clippedGradientSum, type SetFeatures, units } from "../../src/local/mod.ts";
import { type BackendName, selectBackend, tensorMemory, tf } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { required } from "../_shared.ts";
import { ATTENTION, makeCase } from "./_attention_fixture.ts";

const noGpu = (await navigator.gpu?.requestAdapter() ?? null) === null;
const BACKENDS: readonly BackendName[] = ["wasm", "webgpu"];

for (const backend of BACKENDS) {
  Deno.test({
    name:
      `private steps on samples of any size leave no tensor behind and do not enlarge the pool on ${backend}`,
    ignore: backend === "webgpu" && noGpu && !required("webgpu"),
    fn: async () => {
      await selectBackend(backend);
      const { spec, weights, features } = await makeCase(ATTENTION, [1, 2, 70, 1, 7, 3, 1, 5, 20, 1]);
      const set = features.sets.get("icu") as SetFeatures;
      const random = new SeededRandom(2);
      const step = async () => {
        const share = random.next();
        const sampled = new Map([["icu", units(set).filter(() => random.next() < share)]]);
        await clippedGradientSum(spec, weights, features, sampled, new Map([["icu", 1]]), {
          engine: "device",
        });
      };
      // The largest sample first: afterwards every batch fits into what there is.
      const everyone = new Map([["icu", units(set)]]);
      await clippedGradientSum(spec, weights, features, everyone, new Map([["icu", 1]]), {
        engine: "device",
      });
      for (let run = 0; run < 10; run++) await step();
      const [tensors, bytes] = [tf.memory().numTensors, tensorMemory().allocated];
      for (let run = 0; run < 30; run++) await step();
      assert.equal(tf.memory().numTensors, tensors);
      assert.ok(tensorMemory().allocated <= bytes, `${tensorMemory().allocated} after ${bytes} bytes`);
    },
  });
}
