import assert from "node:assert/strict";
import { FedKimError } from "../../src/formats/errors.ts";
import {
  checkMemory,
  type DecoderConfig,
  decoderForward,
  describeMemory,
  LINEAR_NAMES,
  loadDecoder,
  logitsOf,
  type MemoryRequest,
  planMemory,
  tokenCrossEntropy,
} from "../../src/foundation/mod.ts";
import { disposeWeights } from "../../src/foundation/weights.ts";
import {
  type BackendName,
  normalInit,
  readScalar,
  resetTensorMemory,
  selectBackend,
  tensorMemory,
  tf,
} from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { webgpuTest } from "../tensor/_webgpu.ts";
import { expertAdapter } from "../../src/m3oe/mod.ts";
import { randomWeights } from "./_random_weights.ts";
import { writeTinyModel } from "./_tiny_model.ts";

/** Qwen2.5-1.5B: 1.54 billion weights. */
const LARGE: DecoderConfig = {
  architecture: "qwen2",
  vocabSize: 151_936,
  hiddenSize: 1536,
  intermediateSize: 8960,
  layers: 28,
  heads: 12,
  kvHeads: 2,
  headDim: 128,
  rmsNormEps: 1e-6,
  ropeTheta: 1e6,
  ropeScaling: { type: "default" },
  tiedHead: true,
  attentionBias: "qkv",
  maxPositions: 32_768,
  eosTokenIds: [151_645],
};

const SMALL: DecoderConfig = {
  ...LARGE,
  architecture: "llama",
  attentionBias: "none",
  vocabSize: 600,
  hiddenSize: 192,
  intermediateSize: 512,
  layers: 4,
  heads: 6,
  kvHeads: 2,
  headDim: 32,
};

const training: MemoryRequest = {
  config: LARGE,
  weights: "float16",
  backend: "webgpu",
  batch: 1,
  tokens: 96,
  training: true,
  adapter: { rank: 32, targetModules: ["q_proj", "v_proj"] },
};

Deno.test("a 1.5 B decoder with float16 weights trains adapters within 6 GB, and does not with float32", () => {
  const plan = planMemory(training);
  assert.ok(plan.weights > 3.0e9 && plan.weights < 3.2e9, `${plan.weights}`);
  assert.ok(plan.total < 6e9, `${plan.total}`);
  assert.ok(planMemory({ ...training, weights: "float32" }).total > 6e9);
  assert.ok(planMemory({ ...training, tokens: 1024, recompute: true }).total < 6e9);
  assert.ok(planMemory({ ...training, tokens: 1024 }).total > 6e9);
});

Deno.test("describeMemory() says what is needed and what the device offers", () => {
  const plan = planMemory({ ...training, training: false });
  const line = describeMemory(plan, { bytes: 24e9, largestTensor: 2e9, source: "nvidia-smi" });
  assert.match(line, /^needs 3\.\d GB \(weights 3\.1 GB, activations .* MB, adapters .* MB\), /);
  assert.match(line, /the device offers 24\.0 GB \(nvidia-smi\)$/);
  assert.match(describeMemory(plan, { bytes: undefined, largestTensor: 1, source: "x" }), /unknown \(x\)$/);
});

Deno.test("checkMemory() refuses with remedies that fit, and passes what fits", () => {
  const offer = { bytes: 8e9, largestTensor: 2 ** 31, source: "test" };
  assert.deepEqual(checkMemory(training, offer), planMemory(training));
  const refusal = (request: MemoryRequest, bytes: number, largestTensor = 2 ** 31): FedKimError => {
    try {
      checkMemory(request, { ...offer, bytes, largestTensor });
    } catch (error) {
      if (error instanceof FedKimError) return error;
    }
    throw new assert.AssertionError({ message: "it was not refused" });
  };
  const smaller = refusal({ ...training, batch: 8 }, 8e9);
  assert.equal(smaller.code, "ModelError");
  assert.equal(smaller.details.reason, "out_of_memory");
  assert.match(smaller.message, /use a batch of 4 \(needs/);
  assert.match(refusal(training, 4e9).message, /store the weights as int8 \(needs/);
  assert.match(refusal({ ...training, backend: "wasm" }, 3.9e9).message, /another --backend/);
  const wide = refusal({ ...training, batch: 8, scoredTokens: 96 }, 1e12, 2 ** 27);
  assert.equal(wide.details.reason, "tensor_too_large");
  assert.match(wide.message, /logits of .* in one tensor/);
});

Deno.test("planMemory() grows with every part of the request", () => {
  const base = planMemory(training).total;
  for (
    const change of [
      { batch: 2 },
      { tokens: 128 },
      { newTokens: 8 },
      { scoredTokens: 9 },
      { weights: "float32" as const },
      { adapter: { rank: 64, targetModules: LINEAR_NAMES } },
    ]
  ) assert.ok(planMemory({ ...training, ...change }).total > base, JSON.stringify(change));
  assert.ok(planMemory({ ...training, training: false }).total < base);
});

Deno.test("loadDecoder() reports its plan first, and refuses a use that does not fit with nothing allocated", async () => {
  await selectBackend("wasm");
  const folder = await writeTinyModel();
  const before = tf.memory().numTensors;
  const lines: string[] = [];
  const report = (line: string): number => lines.push(line);
  // Attention scores of 2 x 60000 x 60000 floats exceed the WASM heap.
  await assert.rejects(
    () => loadDecoder(folder, { use: { batch: 1, tokens: 60_000, training: true }, report }),
    (error: unknown) => error instanceof FedKimError && error.details.reason === "out_of_memory",
  );
  assert.equal(tf.memory().numTensors, before);
  const decoder = await loadDecoder(folder, { use: { batch: 2, tokens: 30 }, report });
  decoder.dispose();
  await Deno.remove(folder, { recursive: true });
  assert.equal(lines.length, 2);
  assert.match(lines[1], /^needs \d.* the device offers 3\.9 GB \(the 32-bit WASM heap\)$/);
});

/** Peak bytes of a forward pass and of a training step of a small decoder, over the plan's. */
async function peakOverPlan(backend: BackendName): Promise<Record<string, number>> {
  await selectBackend(backend);
  const [batch, tokens, rank] = [3, 72, 12];
  const start = tensorMemory().allocated;
  const weights = randomWeights(SMALL, "float16", 1);
  const random = new SeededRandom(2);
  const variables: tf.Variable[] = [];
  const variable = (shape: [number, number]): tf.Tensor2D => {
    const made = tf.tidy(() => tf.variable(normalInit(shape, 0.02, random)));
    variables.push(made);
    return made as tf.Tensor as tf.Tensor2D;
  };
  const pairs = weights.layers.map(() => [
    { down: variable([192, rank]), up: variable([rank, 192]) },
    { down: variable([192, rank]), up: variable([rank, 64]) },
  ]);
  const scale = tf.ones([1, rank]) as tf.Tensor2D;
  const embeddings = normalInit([batch, tokens, SMALL.hiddenSize], 1, random) as tf.Tensor3D;
  const labels = Int32Array.from(
    { length: batch * tokens },
    (_, i) => i % tokens < tokens - 4 ? -100 : i % 600,
  );
  const adapter = expertAdapter((layer, name) => {
    const at = ["q_proj", "v_proj"].indexOf(name);
    return at < 0 ? undefined : pairs[layer][at];
  }, scale);
  const peak = async (run: () => tf.Tensor[]): Promise<number> => {
    resetTensorMemory();
    const results = tf.tidy(run);
    await readScalar(results[0]);
    tf.dispose(results);
    return tensorMemory().peak - start;
  };
  const request = { config: SMALL, weights: "float16" as const, backend, batch, tokens };
  const forward = await peak(() => [
    logitsOf(weights, decoderForward(weights, SMALL, embeddings, { lastOnly: true }).hidden).sum(),
  ]);
  const step = (recompute: boolean): Promise<number> =>
    peak(() => {
      const { value, grads } = tf.variableGrads(() => {
        const { hidden } = decoderForward(weights, SMALL, embeddings, { adapter, recompute });
        return tokenCrossEntropy(logitsOf(weights, hidden), labels);
      }, variables);
      return [value, ...Object.values(grads)];
    });
  const [whole, recomputed] = [await step(false), await step(true)];
  const inference = planMemory(request).total;
  const trained = { rank, targetModules: ["q_proj", "v_proj"] as const };
  const planned = (recompute: boolean): number => {
    const plan = planMemory({ ...request, training: true, scoredTokens: 4, adapter: trained, recompute });
    return plan.total - plan.optimizer;
  };
  tf.dispose([embeddings, scale, ...variables]);
  disposeWeights(weights);
  // No optimizer runs here; adapters and inputs exist in both passes.
  const present = 4 *
    (batch * tokens * SMALL.hiddenSize + variables.reduce((sum, { size }) => sum + size, 0));
  return {
    forward: (forward - present) / inference,
    training: whole / planned(false),
    recomputed: recomputed / planned(true),
  };
}

for (const backend of ["wasm", "webgpu"] as const) {
  const name =
    `the plan holds on ${backend}: real peaks of a small decoder are at most 1.3 times it, and over half`;
  const body = async (): Promise<void> => {
    const ratios = await peakOverPlan(backend);
    for (const [pass, ratio] of Object.entries(ratios)) {
      assert.ok(ratio > 0.5 && ratio <= 1.3, `${pass}: ${ratio}`);
    }
  };
  if (backend === "wasm") Deno.test(name, body);
  else webgpuTest(name, body);
}
