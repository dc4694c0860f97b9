import assert from "node:assert/strict";
import {
  type DecoderConfig,
  decoderForward,
  type LinearAdapter,
  logitsOf,
} from "../../src/foundation/mod.ts";
import { disposeWeights } from "../../src/foundation/weights.ts";
import { expertAdapter } from "../../src/m3oe/mod.ts";
import {
  type BackendName,
  normalInit,
  readFloat32,
  resetTensorMemory,
  selectBackend,
  tensorMemory,
  tf,
} from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { assertClose } from "../tensor/_compare.ts";
import { webgpuTest } from "../tensor/_webgpu.ts";
import { randomWeights } from "./_random_weights.ts";

const CONFIG: DecoderConfig = {
  architecture: "llama",
  vocabSize: 40,
  hiddenSize: 64,
  intermediateSize: 96,
  layers: 6,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  rmsNormEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: { type: "default" },
  tiedHead: true,
  attentionBias: "none",
  maxPositions: 64,
  eosTokenIds: [2],
};

/** Loss and gradients in embeddings, gate and experts, with the peak of memory above the weights. */
async function step(
  backend: BackendName,
  recompute: boolean,
): Promise<{ values: Float32Array[]; peak: number }> {
  await selectBackend(backend);
  const before = tf.memory().numTensors;
  const random = new SeededRandom(4);
  const weights = randomWeights(CONFIG, "float32", 3);
  const normal = (shape: [number, number]): tf.Tensor2D => normalInit(shape, 0.1, random) as tf.Tensor2D;
  const pairs = Array.from({ length: CONFIG.layers }, () => ({ down: normal([64, 6]), up: normal([6, 64]) }));
  const gate = normal([3, 6]);
  const embeddings = normalInit([3, 20, 64], 1, random) as tf.Tensor3D;
  const mask = tf.tensor2d(new Float32Array(60).map((_, i) => i % 20 < 17 ? 1 : 0), [3, 20]);
  const inputs = [embeddings, gate, ...pairs.flatMap(({ down, up }) => [down, up])];
  resetTensorMemory();
  const start = tensorMemory().allocated;
  const loss = (x: tf.Tensor, scores: tf.Tensor, ...matrices: tf.Tensor[]): tf.Scalar => {
    // Made within the traced function, as the gate of an injection is.
    const scale = scores.softmax() as tf.Tensor2D;
    const adapter: LinearAdapter = expertAdapter(
      (layer, name) =>
        name === "q_proj" || name === "o_proj"
          ? { down: matrices[2 * layer] as tf.Tensor2D, up: matrices[2 * layer + 1] as tf.Tensor2D }
          : undefined,
      scale,
    );
    const { hidden } = decoderForward(weights, CONFIG, x as tf.Tensor3D, {
      adapter,
      attentionMask: mask,
      lastOnly: true,
      recompute,
    });
    return logitsOf(weights, hidden).logSoftmax().slice([0, 0], [3, 5]).sum();
  };
  const value = tf.tidy(() => loss(embeddings, gate, ...inputs.slice(2)));
  const gradients = tf.tidy(() =>
    tf.grads((...xs: tf.Tensor[]) => loss(xs[0], xs[1], ...xs.slice(2)))(inputs)
  );
  const values: Float32Array[] = [];
  for (const tensor of [value, ...gradients]) values.push((await readFloat32(tensor)).slice());
  const { peak } = tensorMemory();
  tf.dispose([...inputs, mask, value, ...gradients]);
  disposeWeights(weights);
  assert.equal(tf.memory().numTensors, before, "tensors were leaked");
  return { values, peak: peak - start };
}

for (const backend of ["wasm", "webgpu"] as const) {
  const name = `recomputed layers give the same loss and gradients on ${backend}, in less memory`;
  const body = async (): Promise<void> => {
    const whole = await step(backend, false);
    const again = await step(backend, true);
    whole.values.forEach((values, i) => assertClose(again.values[i], values, 1e-6, `result ${i}`));
    assert.ok(again.peak < 0.6 * whole.peak, `${again.peak} of ${whole.peak} bytes`);
  };
  if (backend === "wasm") Deno.test(name, body);
  else webgpuTest(name, body);
}
