import assert from "node:assert/strict";
import { FedKimError } from "../../src/formats/errors.ts";
import {
  inspectCheckpoint,
  loadDecoder,
  loadTokenizer,
  parseDecoderConfig,
  rotaryFrequencies,
} from "../../src/foundation/mod.ts";
import {
  openSafetensors,
  readFloats,
  type TensorToWrite,
  writeSafetensors,
} from "../../src/formats/safetensors.ts";
import { selectBackend, tf } from "../../src/tensor/mod.ts";
import { writeTinyModel } from "./_tiny_model.ts";

const LLAMA = {
  model_type: "llama",
  vocab_size: 100,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
};

function refuses(code: string): (error: unknown) => boolean {
  return (error) => error instanceof FedKimError && error.code === code;
}

Deno.test("parseDecoderConfig() refuses what this decoder would compute wrongly", () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ model_type: "gpt2" }, "ModelError"],
    [{ model_type: undefined }, "ModelError"],
    [{ hidden_act: "gelu" }, "ModelError"],
    [{ mlp_bias: true }, "ModelError"],
    [{ quantization_config: { bits: 4 } }, "ModelError"],
    [{ sliding_window: 8 }, "ModelError"],
    [{ rope_scaling: { type: "yarn", factor: 2 } }, "ModelError"],
    [{ rope_scaling: { type: "linear", factor: 0 } }, "FormatError"],
    [{ num_key_value_heads: 3 }, "FormatError"],
    [{ head_dim: 7 }, "FormatError"],
    [{ hidden_size: "16" }, "FormatError"],
    [{ vocab_size: 0 }, "FormatError"],
    [{ rms_norm_eps: NaN }, "FormatError"],
  ];
  for (const [change, code] of cases) {
    assert.throws(
      () => parseDecoderConfig({ ...LLAMA, ...change }, "config.json"),
      refuses(code),
      JSON.stringify(change),
    );
  }
  assert.throws(() => parseDecoderConfig(null, "config.json"), refuses("FormatError"));
});

Deno.test("rotary frequencies: linear divides all, llama3 keeps the fast ones and divides the slow ones", () => {
  const config = (scaling: Record<string, unknown> | null): Float64Array =>
    rotaryFrequencies(parseDecoderConfig({ ...LLAMA, head_dim: 64, rope_scaling: scaling }, "config.json"));
  const plain = config(null);
  assert.deepEqual(config({ type: "linear", factor: 4 }), plain.map((frequency) => frequency / 4));
  const scaled = config({
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  });
  assert.equal(scaled[0], plain[0]);
  assert.ok(Math.abs(scaled[31] - plain[31] / 8) < 1e-15);
  scaled.forEach((frequency, i) => assert.ok(frequency <= plain[i] && frequency >= plain[i] / 8));
});

Deno.test("loadDecoder() refuses a damaged folder, names the tensor and leaves nothing allocated", async () => {
  await selectBackend("wasm");
  const folder = await writeTinyModel();
  const file = `${folder}/model.safetensors`;
  const archive = await openSafetensors(file);
  const original = new Map<string, TensorToWrite>();
  for (const [name, stored] of archive.tensors) {
    original.set(name, { dtype: "F32", shape: stored.shape, values: await readFloats(stored) });
  }
  const before = tf.memory().numTensors;
  const name = "model.layers.1.mlp.down_proj.weight";
  const tensor = original.get(name)!;
  const damages: [string, (tensors: Map<string, TensorToWrite>) => void][] = [
    ["missing", (tensors) => tensors.delete(name)],
    ["misshapen", (tensors) => tensors.set(name, { ...tensor, shape: tensor.shape.toReversed() })],
    [
      "not finite",
      (tensors) => tensors.set(name, { ...tensor, values: Float32Array.from(tensor.values, () => NaN) }),
    ],
  ];
  for (const [what, damage] of damages) {
    const tensors = new Map(original);
    damage(tensors);
    await writeSafetensors(file, tensors);
    await assert.rejects(
      () => loadDecoder(folder),
      (error: unknown) => refuses("ModelError")(error) && String(error).includes(name),
      what,
    );
  }
  await Deno.writeFile(file, (await Deno.readFile(file)).subarray(0, 1000));
  await assert.rejects(() => loadDecoder(folder), refuses("FormatError"));
  await Deno.remove(file);
  await assert.rejects(() => loadDecoder(folder), refuses("FormatError"));
  await Deno.remove(`${folder}/config.json`);
  await assert.rejects(() => loadDecoder(folder), refuses("FormatError"));
  assert.equal(tf.memory().numTensors, before, "tensors were leaked");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("loadTokenizer() refuses a missing and a malformed tokenizer.json", async () => {
  const folder = await writeTinyModel();
  await Deno.writeTextFile(`${folder}/tokenizer.json`, "{}");
  await assert.rejects(() => loadTokenizer(folder), refuses("FormatError"));
  await Deno.writeTextFile(`${folder}/tokenizer.json`, "not JSON");
  await assert.rejects(() => loadTokenizer(folder), refuses("FormatError"));
  await Deno.remove(`${folder}/tokenizer.json`);
  await assert.rejects(() => loadTokenizer(folder), refuses("FormatError"));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("inspectCheckpoint() counts weights and bytes from the headers", async () => {
  const folder = await writeTinyModel();
  const summary = await inspectCheckpoint(folder);
  assert.equal(summary.bytes, 4 * summary.parameterCount);
  assert.equal(summary.tensors, 2 + 2 * 9);
  assert.deepEqual(summary.dtypes, { F32: 20 });
  await Deno.remove(folder, { recursive: true });
});
