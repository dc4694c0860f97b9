import assert from "node:assert/strict";
import fc from "fast-check";
import { FedKimError } from "../../src/formats/errors.ts";
import {
  type Decoder,
  detectTemplate,
  embedTokens,
  formatPrompt,
  generateText,
  generateTexts,
  generateTokens,
  loadDecoder,
  loadTokenizer,
  PROMPT_TEMPLATES,
  promptParts,
  type TextTokenizer,
} from "../../src/foundation/mod.ts";
import { sampleToken } from "../../src/foundation/sampling.ts";
import { selectBackend, tf } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { writeTinyModel } from "./_tiny_model.ts";

const folder = await writeTinyModel();
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

async function withTiny(body: (decoder: Decoder, tokenizer: TextTokenizer) => Promise<void>): Promise<void> {
  await selectBackend("wasm");
  const before = tf.memory().numTensors;
  const decoder = await loadDecoder(folder);
  await body(decoder, await loadTokenizer(folder));
  decoder.dispose();
  assert.equal(tf.memory().numTensors, before, "tensors were leaked");
}

const PROMPTS = ["what is shock?", "yes", "shock is a failure of the circulation, what is"];

Deno.test("a batch of prompts of different lengths continues each as it continues alone", async () => {
  await withTiny(async (decoder, tokenizer) => {
    for (const sampling of [undefined, { seed: 7, temperature: 0.8, topK: 20 }]) {
      const options = { maxTokens: 8, stopIds: [], ...(sampling === undefined ? {} : { sampling }) };
      const together = await generateTexts(decoder, tokenizer, PROMPTS, options);
      for (const [row, prompt] of PROMPTS.entries()) {
        const own = sampling === undefined
          ? options
          : { ...options, sampling: { ...sampling, seed: 7 + row } };
        assert.equal(await generateText(decoder, tokenizer, prompt, own), together[row], prompt);
      }
    }
    assert.deepEqual(await generateTexts(decoder, tokenizer, [], { maxTokens: 4 }), []);
  });
});

Deno.test("sampling repeats under its seed, differs under another, and with top-k 1 is greedy", async () => {
  await withTiny(async (decoder, tokenizer) => {
    const run = (seed: number, topK?: number): Promise<string> =>
      generateText(decoder, tokenizer, "what is", {
        maxTokens: 16,
        stopIds: [],
        sampling: { seed, temperature: 2, ...(topK === undefined ? {} : { topK }) },
      });
    assert.equal(await run(1), await run(1));
    assert.notEqual(await run(1), await run(2));
    const greedy = await generateText(decoder, tokenizer, "what is", { maxTokens: 16, stopIds: [] });
    assert.equal(await run(1, 1), greedy);
  });
});

Deno.test("a stop text ends the continuation and is cut off", async () => {
  await withTiny(async (decoder, tokenizer) => {
    const whole = await generateText(decoder, tokenizer, "what is", { maxTokens: 12, stopIds: [] });
    const stop = whole.slice(5, 8);
    const cut = await generateText(decoder, tokenizer, "what is", {
      maxTokens: 12,
      stopIds: [],
      stop: [stop],
    });
    assert.equal(cut, whole.slice(0, whole.indexOf(stop)));
  });
});

Deno.test("drawn tokens follow the softmax, cut by top-k and top-p", () => {
  const logits = Float32Array.from([0.4, 0.3, 0.2, 0.1], Math.log);
  const frequencies = (sampling: { topK?: number; topP?: number; temperature?: number }): number[] => {
    const random = new SeededRandom(3);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 20_000; i++) {
      counts[sampleToken(logits, { seed: 0, ...sampling }, random)] += 1 / 20_000;
    }
    return counts;
  };
  // Six standard deviations of a share from 20,000 draws are at most 0.0212: fails once in 5e8 seeds.
  const near = (actual: number[], expected: number[]): void =>
    actual.forEach((share, i) => assert.ok(Math.abs(share - expected[i]) < 0.022, `${actual}`));
  near(frequencies({}), [0.4, 0.3, 0.2, 0.1]);
  near(frequencies({ topK: 2 }), [4 / 7, 3 / 7, 0, 0]);
  near(frequencies({ topP: 0.65 }), [4 / 7, 3 / 7, 0, 0]);
  near(frequencies({ topP: 0.75 }), [4 / 9, 3 / 9, 2 / 9, 0]);
  near(frequencies({ temperature: 0.5 }), [16 / 30, 9 / 30, 4 / 30, 1 / 30]);
});

Deno.test("sampleToken() always draws a token within top-k", () => {
  const values = fc.array(fc.float({ noNaN: true, min: -50, max: 50 }), { minLength: 1, maxLength: 40 });
  fc.assert(fc.property(values, fc.integer({ min: 1, max: 40 }), fc.nat(), (row, topK, seed) => {
    const logits = Float32Array.from(row);
    const token = sampleToken(logits, { seed, topK }, new SeededRandom(seed));
    const better = logits.filter((value) => value > logits[token]).length;
    assert.ok(token >= 0 && token < logits.length && better < topK);
  }));
});

function refuses(code: string): (error: unknown) => boolean {
  return (error) => error instanceof FedKimError && error.code === code;
}

Deno.test("sampling outside its ranges, an empty prompt and logits that are not finite are refused", async () => {
  await withTiny(async (decoder, tokenizer) => {
    const bad = [{ temperature: 0 }, { temperature: NaN }, { topK: 0 }, { topK: 1.5 }, { topP: 0 }, {
      topP: 1.1,
    }];
    for (const settings of bad) {
      const sampling = { seed: 1, ...settings };
      await assert.rejects(
        () => generateText(decoder, tokenizer, "yes", { maxTokens: 1, sampling }),
        refuses("ConfigError"),
        JSON.stringify(settings),
      );
    }
    const silent = { ...tokenizer, bosId: undefined };
    const { bosTokenId: _, ...config } = decoder.config;
    await assert.rejects(
      () => generateText({ ...decoder, config }, silent, "", { maxTokens: 1 }),
      refuses("ModelError"),
    );
    const broken = embedTokens(decoder, [1, 5], [1, 2]);
    const infinite = tf.tidy(() => broken.div<tf.Tensor3D>(0));
    await assert.rejects(() => generateTokens(decoder, infinite, { maxTokens: 2 }), refuses("ModelError"));
    tf.dispose([broken, infinite]);
  });
});

Deno.test("prompt templates write turns, end where the answer begins, and give an injection its parts", () => {
  const turns = [{ role: "user", text: "What is in the image?" }] as const;
  assert.equal(
    formatPrompt(PROMPT_TEMPLATES.fedkim, turns),
    "### Human: What is in the image?\n### Assistant: ",
  );
  assert.equal(
    formatPrompt(PROMPT_TEMPLATES.chatml, [{ role: "system", text: "Be brief." }, ...turns]),
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is in the image?<|im_end|>\n<|im_start|>assistant\n",
  );
  assert.throws(
    () => formatPrompt(PROMPT_TEMPLATES.fedkim, [{ role: "system", text: "x" }]),
    refuses("ConfigError"),
  );
  const { prefix, suffix, tags } = promptParts(PROMPT_TEMPLATES.fedkim);
  assert.deepEqual(tags, {
    image: ["<Img>", "</Img>"],
    signal: ["<Signal>", "</Signal>"],
    clinical: ["<Ts>", "</Ts>"],
  });
  assert.equal(`${prefix}Q${suffix}`, formatPrompt(PROMPT_TEMPLATES.fedkim, [{ role: "user", text: "Q" }]));
  assert.equal(detectTemplate(undefined), "plain");
  assert.equal(detectTemplate("{{'<|im_start|>' + role}}"), "chatml");
  assert.equal(detectTemplate("{{'[INST] '}}"), "mistral");
});
