import assert from "node:assert/strict";
import { FedKimError } from "../../src/formats/errors.ts";
import type { ProgressEvent } from "../../src/formats/progress.ts";
import { foundationUse, loadFoundation, openFoundation } from "../../src/federation/foundation_base.ts";
import { EMBEDDED_MODEL_FOLDER, planMemory } from "../../src/foundation/mod.ts";
import type { LocalModelSpec } from "../../src/local/mod.ts";
import { selectBackend, tf } from "../../src/tensor/mod.ts";
import { writeTinyModel } from "./_tiny_model.ts";

const SPEC = {
  encoders: [{ modality: "image", kind: "image", tokens: 16 }, {
    modality: "labs",
    kind: "table",
    tokens: 4,
  }],
  heads: [
    { task: "a", type: "binary", modalities: ["image"] },
    { task: "b", type: "binary", modalities: ["image", "labs"] },
  ],
} as unknown as LocalModelSpec;

/** A model whose configuration claims a billion layers: it is refused by its plan, before a tensor is missed. */
async function writeHugeModel(): Promise<string> {
  const folder = await writeTinyModel();
  const file = `${folder}/config.json`;
  const config = JSON.parse(await Deno.readTextFile(file));
  await Deno.writeTextFile(file, JSON.stringify({ ...config, num_hidden_layers: 1e9 }));
  return folder;
}

Deno.test("every stage of a federation announces the base model's memory first, and refuses what does not fit", async () => {
  await selectBackend("wasm");
  const events: ProgressEvent[] = [];
  const opened = await openFoundation("embedded");
  const use = foundationUse("inject", SPEC, opened.tokenizer);
  const base = await loadFoundation(opened, use, (event) => events.push(event));
  assert.equal(base.folder, EMBEDDED_MODEL_FOLDER);
  base.decoder.dispose();
  assert.deepEqual(events.map(({ stage }) => stage), ["memory"]);
  assert.match(events[0].detail ?? "", /^needs .* optimizer .* the device offers 3\.9 GB/);

  const folder = await writeHugeModel();
  const before = tf.memory().numTensors;
  await assert.rejects(
    async () => await loadFoundation(await openFoundation(folder), use, (event) => events.push(event)),
    (error: unknown) =>
      error instanceof FedKimError && error.details.reason === "out_of_memory" &&
      /another --backend/.test(error.message),
  );
  assert.equal(events.length, 2, "the plan is said before the refusal");
  assert.equal(tf.memory().numTensors, before);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("foundationUse() counts the longest prompt, and training needs more than answering", async () => {
  const { config, tokenizer } = await openFoundation("embedded");
  const request = (spec: LocalModelSpec, purpose: "inject" | "answer") =>
    ({ config, weights: "float32", backend: "wasm", ...foundationUse(purpose, spec, tokenizer) }) as const;
  const shorter = { ...SPEC, heads: SPEC.heads.slice(0, 1) };
  assert.equal(request(SPEC, "inject").tokens - request(shorter, "inject").tokens, 4);
  const texts = { ...SPEC, encoders: [...SPEC.encoders, { kind: "text" }] } as LocalModelSpec;
  assert.equal(request(texts, "answer").tokens - request(SPEC, "answer").tokens, 48);
  assert.ok(planMemory(request(SPEC, "inject")).total > planMemory(request(SPEC, "answer")).total);
  const open = {
    ...SPEC,
    heads: [...SPEC.heads, { type: "open", modalities: [] }],
  } as unknown as LocalModelSpec;
  assert.ok(planMemory(request(open, "answer")).keyValues > 0);
});

async function fedkim(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = new URL("../../cli/main.ts", import.meta.url).pathname;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", main, ...args],
    env: { NO_COLOR: "1" },
  });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("`foundation generate` and `verify decoder` print the plan on stderr, and refuse with remedies", async () => {
  const args = ["foundation", "generate", EMBEDDED_MODEL_FOLDER, "what is anemia", "--tokens", "2", "--json"];
  const generated = await fedkim(...args, "--backend", "wasm");
  assert.equal(generated.code, 0, generated.stderr);
  assert.match(generated.stderr, /needs .*key-value cache .* the device offers 3\.9 GB/);
  assert.ok("text" in JSON.parse(generated.stdout));

  const golden = new URL("golden/internlm2_fused_f32", import.meta.url).pathname;
  const verified = await fedkim("verify", "decoder", golden, "--json", "--backend", "wasm");
  assert.equal(verified.code, 0, verified.stderr);
  assert.match(verified.stderr, /needs .* the device offers 3\.9 GB/);
  assert.equal(JSON.parse(verified.stdout).greedyMatches, true);

  const folder = await writeHugeModel();
  const refused = await fedkim("foundation", "generate", folder, "yes", "--backend", "wasm");
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /needs .* GB[^]*does not fit[^]*another --backend/);
  assert.equal(refused.stdout, "");
  await Deno.remove(folder, { recursive: true });
});
