import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import {
  decoderForward,
  EMBEDDED_MODEL_FOLDER,
  embedTokens,
  generateTokens,
  inspectCheckpoint,
  loadDecoder,
  loadTokenizer,
  logitsOf,
  readPriorityTexts,
} from "../../src/foundation/mod.ts";
import { readFloat32, selectBackend, tf } from "../../src/tensor/mod.ts";
import { testNeeding } from "../_shared.ts";

/** What `tools/medlm/logits.py` prints. */
interface Reference {
  readonly texts: readonly {
    readonly text: string;
    readonly ids: readonly number[];
    readonly largest: number;
    readonly every997th: readonly number[];
    readonly greedy: readonly number[];
  }[];
}

/** Same token ids, logits within 1e-4 of the largest, same greedy continuation. */
async function agrees({ texts }: Reference): Promise<void> {
  await selectBackend("wasm");
  const tokenizer = await loadTokenizer(EMBEDDED_MODEL_FOLDER);
  const decoder = await loadDecoder(EMBEDDED_MODEL_FOLDER);
  for (const { text, ids, largest, every997th, greedy } of texts) {
    assert.deepEqual(tokenizer.encode(text), ids, text);
    const all = [tokenizer.bosId as number, ...ids];
    const embeddings = embedTokens(decoder, all, [1, all.length]);
    const logits = tf.tidy(() =>
      logitsOf(decoder.weights, decoderForward(decoder.weights, decoder.config, embeddings).hidden)
    );
    const values = await readFloat32(logits);
    const worst = every997th.reduce((most, value, i) => Math.max(most, Math.abs(values[997 * i] - value)), 0);
    assert.ok(worst < 1e-4 * largest, `${text}: ${worst} of ${largest}`);
    const [tokens] = await generateTokens(decoder, embeddings, { maxTokens: 12, stopIds: [] });
    assert.deepEqual(tokens, greedy, text);
    tf.dispose([embeddings, logits]);
  }
  decoder.dispose();
}

Deno.test("the embedded model computes what Python transformers computed", async () => {
  await agrees(JSON.parse(await Deno.readTextFile(`${EMBEDDED_MODEL_FOLDER}/logits.json`)));
});

const python = Deno.env.get("FEDKIM_PYTHON");
const absent = python === undefined
  ? "FEDKIM_PYTHON, a Python with torch and transformers, is not set"
  : existsSync(python)
  ? undefined
  : `${python} is not at hand`;
const name = "the embedded model computes what Python transformers computes here";

async function agreesWithPython(): Promise<void> {
  const script = new URL("../../tools/medlm/logits.py", import.meta.url).pathname;
  const command = new Deno.Command(python as string, {
    args: [script, EMBEDDED_MODEL_FOLDER],
    env: { OMP_NUM_THREADS: "1" },
    stderr: "piped",
  });
  const { success, stdout, stderr } = await command.output();
  assert.ok(success, new TextDecoder().decode(stderr));
  await agrees(JSON.parse(new TextDecoder().decode(stdout)));
}

testNeeding("python", absent, name, agreesWithPython);

Deno.test("the embedded model is small, and answers, prompt words and modality tags are single tokens", async () => {
  const { bytes, config, parameterCount } = await inspectCheckpoint(EMBEDDED_MODEL_FOLDER);
  assert.ok(bytes < 12e6 && parameterCount >= 2e6 && parameterCount <= 3e6, `${parameterCount} weights`);
  assert.ok(config.vocabSize >= 4096 && config.vocabSize <= 8192);
  const tokenizer = await loadTokenizer(EMBEDDED_MODEL_FOLDER);
  assert.equal(tokenizer.bosId, config.bosTokenId);
  assert.deepEqual([tokenizer.eosId], config.eosTokenIds);
  const words = [
    "yes",
    "no",
    "human",
    "assistant",
    "answer",
    ":",
    "?",
    "what",
    "is",
    "does",
    "which",
    "where",
    "how",
  ];
  const tags = ["<Img>", "</Img>", "<Signal>", "</Signal>", "<Ts>", "</Ts>"];
  for (const text of await readPriorityTexts()) {
    words.push(...text.toLowerCase().match(/(?<=^| )[a-z]+/g) ?? []);
  }
  for (const word of words) assert.equal(tokenizer.encode(word).length, 1, word);
  for (const tag of tags) assert.deepEqual(tokenizer.encode(tag), [tokenizer.tokenId(tag)], tag);
});

Deno.test("the embedded model's card gives the files' hashes, and its text beats both baselines clearly", async () => {
  const training = JSON.parse(await Deno.readTextFile(`${EMBEDDED_MODEL_FOLDER}/training.json`));
  for (const [file, hash] of Object.entries(training.files)) {
    const bytes = await Deno.readFile(`${EMBEDDED_MODEL_FOLDER}/${file}`);
    assert.equal(createHash("sha256").update(bytes).digest("hex"), hash, file);
  }
  assert.equal(training.processes, 1, "trained in one uninterrupted run");
  assert.ok(
    training.second_run_agrees_for_steps >= 50,
    "the first steps were made twice, with the same weights",
  );
  const { model, kneser_ney_trigram: trigram, unigram } = training.held_out.perplexity;
  assert.ok(model < 0.8 * trigram && trigram < 0.8 * unigram, JSON.stringify(training.held_out));
});
