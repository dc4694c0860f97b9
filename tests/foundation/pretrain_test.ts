import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import fc from "fast-check";
import { countWords, trainBytePairs } from "../../src/foundation/bpe_trainer.ts";
import {
  DEFAULT_PRETRAIN,
  loadTokenizer,
  pretrainDecoder,
  type PretrainOptions,
  type PretrainResult,
} from "../../src/foundation/mod.ts";
import { selectBackend, tf } from "../../src/tensor/mod.ts";
import { writeTinyModel } from "./_tiny_model.ts";

Deno.test("byte pairs are merged most frequent first", () => {
  const { tokens, merges } = trainBytePairs(countWords([["aaab aaab xy", 1]]), 3 + 256 + 3, [
    "<pad>",
    "<bos>",
    "<eos>",
  ]);
  assert.deepEqual(merges[0], ["a", "a"]);
  assert.equal(tokens.length, 262);
  assert.deepEqual(tokens.slice(-3), merges.map(([left, right]) => left + right));
});

Deno.test("the trained tokenizer gives back every lower-case text, byte for byte", async () => {
  const folder = await writeTinyModel();
  const tokenizer = await loadTokenizer(folder);
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const lower = text.toLowerCase();
      // The byte-level pre-tokenizer puts one space before a text that does not begin with one.
      const expected = lower === "" || lower.startsWith(" ") ? lower : ` ${lower}`;
      assert.equal(tokenizer.decode(tokenizer.encode(text)), expected);
    }),
    { numRuns: 200 },
  );
  await Deno.remove(folder, { recursive: true });
});

async function trainOnce(
  corpus: string,
  output: string,
  interruptAfter = Infinity,
  changes: Partial<PretrainOptions> = {},
): Promise<{ losses: number[]; result: PretrainResult; weights: Uint8Array }> {
  const shape = {
    vocabSize: 300,
    hiddenSize: 16,
    intermediateSize: 24,
    layers: 1,
    heads: 2,
    maxPositions: 64,
  };
  const run = pretrainDecoder({
    ...DEFAULT_PRETRAIN,
    shape,
    corpus,
    output,
    priorityTexts: ["yes no"],
    steps: 30,
    batchSize: 4,
    sequenceLength: 16,
    ...changes,
  });
  const losses: number[] = [];
  for (;;) {
    const next = await run.next();
    if (next.done) {
      return { losses, result: next.value, weights: await Deno.readFile(`${output}/model.safetensors`) };
    }
    losses.push(next.value.loss);
    if (losses.length === interruptAfter) await run.return(undefined as never);
  }
}

Deno.test("pretrainDecoder() learns, and is the same to the bit under one seed", async () => {
  await selectBackend("wasm");
  const folder = await Deno.makeTempDir({ prefix: "fedkim-pretrain-" });
  const corpus = `${folder}/corpus.jsonl`;
  const line = JSON.stringify({
    question: "What is shock?",
    answer: "Shock is a failure of the circulation.",
  });
  await Deno.writeTextFile(corpus, `${line}\n`.repeat(100));
  const first = await trainOnce(corpus, `${folder}/a`);
  const second = await trainOnce(corpus, `${folder}/b`);
  assert.deepEqual(first.losses, second.losses);
  assert.deepEqual(first.weights, second.weights);
  assert.ok(first.losses[29] < first.losses[0] - 1, `loss ${first.losses[0]} to ${first.losses[29]}`);
  assert.ok(first.result.heldOutPerplexity < 300);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an interrupted run goes on to the same weights, to the bit, and refuses other settings", async () => {
  await selectBackend("wasm");
  const folder = await Deno.makeTempDir({ prefix: "fedkim-pretrain-" });
  const corpus = `${folder}/corpus.jsonl`;
  const line = JSON.stringify({ question: "What is shock?", answer: "A failure of the circulation." });
  await Deno.writeTextFile(corpus, `${line}\n`.repeat(100));
  const whole = await trainOnce(corpus, `${folder}/a`);
  const before = tf.memory().numTensors;
  await trainOnce(corpus, `${folder}/b`, 27).catch(() => {});
  assert.equal(tf.memory().numTensors, before, "tensors were leaked");
  await assert.rejects(() => trainOnce(corpus, `${folder}/b`, Infinity, { learningRate: 1 }), {
    code: "ModelError",
  });
  const rest = await trainOnce(corpus, `${folder}/b`);
  assert.deepEqual(rest.losses, whole.losses.slice(25));
  assert.deepEqual(rest.weights, whole.weights);
  assert.equal(existsSync(`${folder}/b/pretraining.safetensors`), false);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("pretrainDecoder() names the line of a malformed corpus", async () => {
  const folder = await Deno.makeTempDir({ prefix: "fedkim-pretrain-" });
  await Deno.writeTextFile(`${folder}/corpus.jsonl`, '{"question":"q","answer":"a"}\n{"question":"q"}\n');
  await assert.rejects(() => trainOnce(`${folder}/corpus.jsonl`, `${folder}/out`), /line 2/);
  await assert.rejects(() => trainOnce(`${folder}/none.jsonl`, `${folder}/out`), /no readable file/);
  await Deno.remove(folder, { recursive: true });
});
