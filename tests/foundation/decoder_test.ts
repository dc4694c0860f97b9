import assert from "node:assert/strict";
import { FedKimError } from "../../src/formats/errors.ts";
import {
  type Decoder,
  decoderForward,
  embedTokens,
  generateGreedy,
  loadDecoder,
  logitsOf,
  scoreAnswers,
} from "../../src/foundation/mod.ts";
import { readFloat32, selectBackend, tf } from "../../src/tensor/mod.ts";
import { assertClose } from "../tensor/_compare.ts";
import { writeTinyModel } from "./_tiny_model.ts";

const folder = await writeTinyModel();
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

async function withTiny(body: (decoder: Decoder) => Promise<void>): Promise<void> {
  await selectBackend("wasm");
  const before = tf.memory().numTensors;
  const decoder = await loadDecoder(folder);
  await body(decoder);
  decoder.dispose();
  assert.equal(tf.memory().numTensors, before, "tensors were leaked");
}

const ids = [1, 40, 300, 7, 80, 81, 82, 9];

Deno.test("lastOnly computes exactly the last row of the full pass", async () => {
  await withTiny(async (decoder) => {
    const embeddings = embedTokens(decoder, [...ids, ...ids.toReversed()], [2, 8]);
    const { weights, config } = decoder;
    const full = tf.tidy(() =>
      decoderForward(weights, config, embeddings).hidden.reshape([2, 8, -1]).slice([0, 7], [2, 1])
    );
    const last = tf.tidy(() => decoderForward(weights, config, embeddings, { lastOnly: true }).hidden);
    assertClose(await readFloat32(last), await readFloat32(full), 1e-5, "last row");
    tf.dispose([embeddings, full, last]);
  });
});

Deno.test("the key-value cache generates what a full pass per token generates", async () => {
  await withTiny(async (decoder) => {
    const { weights, config } = decoder;
    const prompt = embedTokens(decoder, ids, [1, ids.length]);
    const [cached] = await generateGreedy(decoder, prompt, { maxTokens: 6, stopIds: [] });
    const sequence = [...ids];
    for (let step = 0; step < 6; step++) {
      const next = tf.tidy(() => {
        const { hidden } = decoderForward(
          weights,
          config,
          embedTokens(decoder, sequence, [1, sequence.length]),
        );
        return logitsOf(weights, hidden).argMax(1);
      });
      sequence.push((await next.data())[sequence.length - 1]);
      next.dispose();
    }
    assert.deepEqual(cached, sequence.slice(ids.length));
    prompt.dispose();
  });
});

Deno.test("padding changes nothing at the tokens, wherever it stands", async () => {
  await withTiny(async (decoder) => {
    const { weights, config } = decoder;
    const plain = embedTokens(decoder, ids, [1, 8]);
    const expected = tf.tidy(() => decoderForward(weights, config, plain, { lastOnly: true }).hidden);
    const padded = embedTokens(decoder, [...ids.slice(0, 3), 0, 0, ...ids.slice(3)], [1, 10]);
    const attentionMask = tf.tensor2d([[1, 1, 1, 0, 0, 1, 1, 1, 1, 1]]);
    const positions = [0, 1, 2, 0, 0, 3, 4, 5, 6, 7];
    const actual = tf.tidy(() =>
      decoderForward(weights, config, padded, { attentionMask, positions, lastOnly: true }).hidden
    );
    assertClose(await readFloat32(actual), await readFloat32(expected), 1e-5, "padded");
    tf.dispose([plain, expected, padded, attentionMask, actual]);
  });
});

Deno.test("scoreAnswers() is the softmax of the logits, averaged over the tokens of an answer", async () => {
  await withTiny(async (decoder) => {
    const prompt = embedTokens(decoder, ids, [1, ids.length]);
    const all = Array.from({ length: decoder.config.vocabSize }, (_, token) => [token]);
    const single = await scoreAnswers(decoder, prompt, all.slice(0, 8));
    const logits = tf.tidy(() => {
      const { hidden } = decoderForward(decoder.weights, decoder.config, prompt, { lastOnly: true });
      return tf.softmax(logitsOf(decoder.weights, hidden));
    });
    const probabilities = await readFloat32(logits);
    single.forEach((score, token) => assert.ok(Math.abs(Math.exp(score) - probabilities[token]) < 1e-6));
    const [pair] = await scoreAnswers(decoder, prompt, [[40, 41]]);
    const [first] = await scoreAnswers(decoder, prompt, [[40]]);
    const longer = embedTokens(decoder, [...ids, 40], [1, ids.length + 1]);
    const [second] = await scoreAnswers(decoder, longer, [[41]]);
    assert.ok(Math.abs(pair - (first + second) / 2) < 1e-5);
    tf.dispose([prompt, logits, longer]);
  });
});

Deno.test("the base hash is the same for the same weights and another for others", async () => {
  await selectBackend("wasm");
  const other = await writeTinyModel({}, 6);
  const [a, b, c] = [await loadDecoder(folder), await loadDecoder(folder), await loadDecoder(other)];
  assert.equal(a.baseHash, b.baseHash);
  assert.notEqual(a.baseHash, c.baseHash);
  for (const decoder of [a, b, c]) decoder.dispose();
  await Deno.remove(other, { recursive: true });
});

Deno.test("a sequence beyond the model's positions and a token outside its vocabulary are refused", async () => {
  await withTiny((decoder) => {
    const tooLong = embedTokens(decoder, new Array(65).fill(3), [1, 65]);
    const refused = (body: () => unknown): void =>
      assert.throws(body, (error: unknown) => error instanceof FedKimError && error.code === "ModelError");
    refused(() => tf.tidy(() => decoderForward(decoder.weights, decoder.config, tooLong).hidden));
    refused(() => embedTokens(decoder, [decoder.config.vocabSize], [1, 1]));
    refused(() => embedTokens(decoder, [-1], [1, 1]));
    tooLong.dispose();
    return Promise.resolve();
  });
});
