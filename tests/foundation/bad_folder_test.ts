import assert from "node:assert/strict";
import { FedKimError } from "../../src/formats/errors.ts";
import { openFoundation } from "../../src/federation/foundation_base.ts";
import { checkTokenizer, loadDecoder, loadTokenizer, openCheckpoint } from "../../src/foundation/mod.ts";
import { selectBackend, tf } from "../../src/tensor/mod.ts";
import { writeTinyModel } from "./_tiny_model.ts";

const SHARDED = new URL("golden/mistral_linear_rope_bf16_sharded", import.meta.url).pathname;

function refuses(code: string, ...texts: string[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof FedKimError && error.code === code, String(error));
    for (const text of texts) assert.ok(String(error).includes(text), `${text} is not in: ${error}`);
    return true;
  };
}

/** A copy of a folder that may be damaged. */
async function copyOf(folder: string): Promise<string> {
  const copy = await Deno.makeTempDir({ prefix: "fedkim-folder-" });
  for await (const { name } of Deno.readDir(folder)) {
    await Deno.copyFile(`${folder}/${name}`, `${copy}/${name}`);
  }
  return copy;
}

Deno.test("loadDecoder() refuses a missing, a cut and an exchanged shard by name, and leaves nothing", async () => {
  await selectBackend("wasm");
  const before = tf.memory().numTensors;
  const shard = (number: number): string => `model-0000${number}-of-00003.safetensors`;
  const damages: [(folder: string) => Promise<void>, string[]][] = [
    [(folder) => Deno.remove(`${folder}/${shard(2)}`), [shard(2)]],
    [(folder) => Deno.truncate(`${folder}/${shard(3)}`, 4000), [shard(3)]],
    [(folder) => Deno.truncate(`${folder}/${shard(1)}`, 5), [shard(1)]],
    [(folder) => Deno.copyFile(`${folder}/${shard(1)}`, `${folder}/${shard(2)}`), [
      "model.layers.",
      shard(2),
    ]],
  ];
  for (const [damage, texts] of damages) {
    const folder = await copyOf(SHARDED);
    await damage(folder);
    await assert.rejects(() => loadDecoder(folder), refuses("FormatError", ...texts));
    await Deno.remove(folder, { recursive: true });
  }
  assert.equal(tf.memory().numTensors, before, "tensors were leaked");
});

Deno.test("a half-precision weight that is not a number is refused with its file and tensor", async () => {
  await selectBackend("wasm");
  const folder = await copyOf(SHARDED);
  const { archive } = await openCheckpoint(folder);
  const { file } = archive.tensors.get("model.layers.1.self_attn.o_proj.weight")!;
  const bytes = await Deno.readFile(file);
  // A bfloat16 NaN as the shard's last value.
  bytes.set([0xc0, 0x7f], bytes.length - 2);
  await Deno.writeFile(file, bytes);
  const last = [...archive.tensors.values()].filter((tensor) => tensor.file === file).at(-1)!;
  await assert.rejects(() => loadDecoder(folder), refuses("ModelError", "not finite", file, last.name));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a tokenizer with more tokens than the embedding has rows is refused before any weight is read", async () => {
  const [folder, other] = [await writeTinyModel({ vocabSize: 300 }), await writeTinyModel()];
  const { config } = await openCheckpoint(folder);
  const tokenizer = await loadTokenizer(other);
  assert.ok(tokenizer.vocabSize > 300 && tokenizer.vocabSize <= 320, `${tokenizer.vocabSize}`);
  assert.throws(
    () => checkTokenizer(tokenizer, config, folder),
    refuses("ModelError", folder, "300", `${tokenizer.vocabSize}`, "tokenizer.json"),
  );
  await assert.rejects(() => openFoundation(folder), refuses("ModelError", folder));
  checkTokenizer(tokenizer, (await openCheckpoint(other)).config, other);
  for (const each of [folder, other]) await Deno.remove(each, { recursive: true });
});
