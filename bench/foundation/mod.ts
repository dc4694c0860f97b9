/**
 * Benchmark of the foundation model on WASM: {@link runFoundationBench} measures loading and generating with the
 * embedded model, a LoRA training step over the time of its matrix products alone, and matrix products by several
 * workers, and writes `bench/results/foundation.md`.
 *
 * @module
 */
import {
  type Decoder,
  EMBEDDED_MODEL_FOLDER,
  generateText,
  loadDecoder,
  loadTokenizer,
  planMemory,
} from "../../src/foundation/mod.ts";
import { resetTensorMemory, selectBackend, tensorMemory, tf } from "../../src/tensor/mod.ts";
import { writePage } from "../local/_write_page.ts";
import { LORA_STEP, LORA_STEP_MEMORY, loraStep, matmulsAlone } from "./_lora_step.ts";
import { multiplyHere, RowSplit } from "./_row_split.ts";

/** Medians of alternating runs in milliseconds of wall clock; three runs warm up. */
async function medians(bodies: readonly (() => Promise<unknown>)[], repeats: number): Promise<number[]> {
  const times = bodies.map(() => [] as number[]);
  for (let run = -3; run < repeats; run++) {
    for (const [index, body] of bodies.entries()) {
      const begun = performance.now();
      await body();
      if (run >= 0) times[index].push(performance.now() - begun);
    }
  }
  return times.map((list) => list.sort((a, b) => a - b)[list.length >> 1]);
}

async function embeddedRows(): Promise<string[]> {
  const loaded: Decoder[] = [];
  const load = async (): Promise<void> => {
    await loadTokenizer(EMBEDDED_MODEL_FOLDER);
    loaded.push(await loadDecoder(EMBEDDED_MODEL_FOLDER));
  };
  const [loading] = await medians([load], 9);
  const decoder = loaded[0];
  const tokenizer = await loadTokenizer(EMBEDDED_MODEL_FOLDER);
  const tokens = 64;
  const continuing = async (): Promise<void> => {
    const options = { maxTokens: tokens, stopIds: [] };
    await generateText(decoder, tokenizer, "human : what is anemia ? assistant : answer :", options);
  };
  const [generating] = await medians([continuing], 9);
  for (const each of loaded) each.dispose();
  return [
    `| load decoder and tokenizer of the embedded model (${decoder.parameterCount} weights) | ${
      loading.toFixed(0)
    } ms |`,
    `| generate with it, one prompt, key-value cache | ${(tokens / generating * 1000).toFixed(0)} tokens/s |`,
  ];
}

/** Bytes at the peak of a step in the steady state, weights, optimizer and inputs included. */
async function peakOf(
  makeStep: () => () => Promise<unknown>,
): Promise<[step: () => Promise<unknown>, bytes: number]> {
  const before = tensorMemory().allocated;
  const step = makeStep();
  await step();
  resetTensorMemory();
  await step();
  return [step, tensorMemory().peak - before];
}

async function stepRows(): Promise<string[]> {
  const [lora, peak] = await peakOf(loraStep);
  const plan = planMemory(LORA_STEP_MEMORY).total;
  const alone = matmulsAlone();
  const [step, products] = await medians([lora, alone.run], 25);
  const { batch, tokens, rank } = LORA_STEP;
  return [
    `| LoRA training step, d = 256, 4 layers, ${batch} x ${tokens} tokens, r = ${rank} at all seven layers | ${
      step.toFixed(1)
    } ms |`,
    `| its matrix products alone (${(alone.flops / 1e9).toFixed(2)} GFLOP) | ${products.toFixed(1)} ms, ${
      (alone.flops / products / 1e6).toFixed(1)
    } GFLOP/s |`,
    `| step over products | ${(step / products).toFixed(2)} |`,
    `| memory of the step at its peak, optimizer included | ${(peak / 1e6).toFixed(1)} MB, ${
      (peak / plan).toFixed(2)
    } of the plan |`,
  ];
}

async function workerRows(): Promise<string[]> {
  const rows: string[] = [];
  for (const [count, depth, columns] of [[256, 256, 688], [1024, 576, 1536], [1024, 1536, 1536]]) {
    const a = tf.randomNormal([count, depth], 0, 1, "float32", 1) as tf.Tensor2D;
    const b = tf.randomNormal([depth, columns], 0, 1, "float32", 2) as tf.Tensor2D;
    const [left, right] = [(await a.data()).slice(), (await b.data()).slice()] as Float32Array[];
    const split = await RowSplit.start(2, right, [depth, columns]);
    const [here, spread] = await medians([() => multiplyHere(a, b), () => split.multiply(left, count)], 15);
    split.stop();
    tf.dispose([a, b]);
    const speed = (milliseconds: number): string =>
      (2 * count * depth * columns / milliseconds / 1e6).toFixed(1);
    rows.push(
      `| ${count} x ${depth} x ${columns} | ${speed(here)} | ${speed(spread)} | ${
        (here / spread).toFixed(2)
      } |`,
    );
  }
  return rows;
}

/** Measures and writes `bench/results/foundation.md`. */
export async function runFoundationBench(): Promise<void> {
  await selectBackend("wasm");
  const page = `# The foundation model, measured on WASM

${
    new Date().toISOString().slice(0, 10)
  }, Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} CPU cores;
medians of wall-clock times at a load average of ${
    Deno.loadavg()[0].toFixed(1)
  }. \`deno task bench foundation\` makes this page anew.

| what | measured |
| --- | --- |
${[...await embeddedRows(), ...await stepRows()].join("\n")}

## Matrix products by several workers

Rows split over two workers, each with its own WASM backend and its own copy of the frozen right-hand matrix; the
left-hand rows and the product travel by message. GFLOP/s, with reading the product back on both sides.

| product | one thread | two workers | speed-up |
| --- | --- | --- | --- |
${(await workerRows()).join("\n")}
`;
  const path = new URL("../results/foundation.md", import.meta.url).pathname;
  await writePage(path, page);
  console.log(page);
}
