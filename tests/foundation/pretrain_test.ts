import assert from "node:assert/strict";
import fc from "fast-check";
import { countWords, trainBytePairs } from "../../src/foundation/bpe_trainer.ts";
import {
  EMBEDDED_MODEL_FOLDER,
  EMBEDDED_PRETRAIN,
  inspectCheckpoint,
  loadTokenizer,
  pretrainDecoder,
  type PretrainResult,
  readPriorityTexts,
} from "../../src/foundation/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
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
    ...EMBEDDED_PRETRAIN,
    shape,
    corpus,
    output,
    priorityTexts: ["yes no"],
    steps: 30,
    batchSize: 4,
    sequenceLength: 16,
  });
  const losses: number[] = [];
  for (;;) {
    const next = await run.next();
    if (next.done) {
      return { losses, result: next.value, weights: await Deno.readFile(`${output}/model.safetensors`) };
    }
    losses.push(next.value.loss);
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

Deno.test("pretrainDecoder() names the line of a malformed corpus", async () => {
  const folder = await Deno.makeTempDir({ prefix: "fedkim-pretrain-" });
  await Deno.writeTextFile(`${folder}/corpus.jsonl`, '{"question":"q","answer":"a"}\n{"question":"q"}\n');
  await assert.rejects(() => trainOnce(`${folder}/corpus.jsonl`, `${folder}/out`), /line 2/);
  await assert.rejects(() => trainOnce(`${folder}/none.jsonl`, `${folder}/out`), /no readable file/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the embedded model is below 6 MB and knows yes and no as single tokens", async () => {
  const { bytes, config } = await inspectCheckpoint(EMBEDDED_MODEL_FOLDER);
  assert.ok(bytes < 6e6);
  const tokenizer = await loadTokenizer(EMBEDDED_MODEL_FOLDER);
  assert.equal(tokenizer.encode("yes").length, 1);
  assert.equal(tokenizer.encode("no").length, 1);
  assert.equal(tokenizer.bosId, config.bosTokenId);
  for (const text of await readPriorityTexts()) {
    const words = text.toLowerCase().match(/(?<=^| )[a-z]+/g) ?? [];
    for (const word of words) assert.equal(tokenizer.encode(word).length, 1, word);
  }
});
