/**
 * Speed of the injection on wasm, and on WebGPU where a hardware GPU is at hand.
 *
 *     deno task bench m3oe
 *
 * @module
 */
import {
  type Decoder,
  decoderForward,
  type LinearAdapter,
  tokenCrossEntropy,
} from "../../src/foundation/mod.ts";
import {
  expertAdapter,
  type ExpertPair,
  expertScale,
  foldedAdapter,
  type InjectedModel,
  type InjectionMethod,
  trainInjection,
} from "../../src/m3oe/mod.ts";
import { InjectionOptimizer } from "../../src/m3oe/optimizer.ts";
import { injectionStep, stepGradients } from "../../src/m3oe/training_step.ts";
import {
  disposeAll,
  gatherRows,
  linear,
  readFloat32,
  readScalar,
  selectBackend,
  tf,
} from "../../src/tensor/mod.ts";
import { BENCH_TASK, type BenchCase, benchCases, benchSamples } from "./_base_model.ts";
import { alternate, type Measured } from "./_timing.ts";

/** Most that a step may cost over the same step with one LoRA of equal total rank. */
const LORA_LIMIT = 1.25;
/** Most that a step may cost over forward pass and input gradient of the frozen base. */
const BASE_LIMIT = 1.6;
/** Merged inference has the base's shapes: the rest is noise of the measurement. */
const MERGED_LIMIT = 1.05;

const REPEATS = 25;

/** A model after one step of training, so that no expert is zero. */
async function trained({ base, batch, tokens }: BenchCase, method: InjectionMethod): Promise<InjectedModel> {
  return await trainInjection({
    ...base,
    tasks: [BENCH_TASK],
    samples: benchSamples(batch, tokens),
    validation: [],
    config: { method, epochs: 1, batchSize: batch },
    seed: 1,
  });
}

function stepOf(name: string, model: InjectedModel, { batch, tokens }: BenchCase): Measured {
  const samples = model.encode(benchSamples(batch, tokens));
  const tensors = model.parameters.named.map(({ name, variable }) => ({ name, variable, rate: 1 }));
  const optimizer = new InjectionOptimizer(tensors, model.config.weightDecay);
  let step = 0;
  const body = async (): Promise<void> => {
    const position = { seed: 1, step: step++, rate: 1e-4 };
    await injectionStep(model, [BENCH_TASK], samples, optimizer, position);
  };
  return { name, body };
}

/** Random input embeddings of the prompts' length. */
function embeddingsOf(model: InjectedModel, { batch, tokens }: BenchCase): tf.Tensor3D {
  const [{ suffix }] = model.encode(benchSamples(1, tokens));
  const prefix = 1 + model.base.tokenizer.encode(model.config.prompt.prefix).length;
  const length = prefix + 3 * tokens + suffix.length;
  const { hiddenSize } = model.base.decoder.config;
  return tf.randomNormal([batch, length, hiddenSize], 0, 0.02, "float32", 3) as tf.Tensor3D;
}

function answerLogits({ weights, config }: Decoder, embeddings: tf.Tensor3D): tf.Tensor2D {
  const { hidden } = decoderForward(weights, config, embeddings, { lastOnly: true });
  return tf.matMul(hidden, gatherRows(weights.head, [5, 6]), false, true);
}

function frozenBase(decoder: Decoder, embeddings: tf.Tensor3D): Measured {
  const labels = Array.from({ length: embeddings.shape[0] }, (_, row) => row % 2);
  const loss = (x: tf.Tensor): tf.Scalar =>
    tokenCrossEntropy(answerLogits(decoder, x as tf.Tensor3D), labels);
  const body = async (): Promise<void> => {
    const { value, grad } = tf.valueAndGrad(loss)(embeddings);
    await readScalar(value);
    await readFloat32(grad);
    disposeAll([value, grad]);
  };
  return { name: "base", body };
}

function inference(name: string, decoder: Decoder, embeddings: tf.Tensor3D): Measured {
  const body = async (): Promise<void> => {
    const logits = tf.tidy(() => answerLogits(decoder, embeddings));
    await readFloat32(logits);
    logits.dispose();
  };
  return { name, body };
}

interface CaseResult {
  readonly step: string;
  readonly merged: string;
  readonly parts: string;
}

async function measure(item: BenchCase): Promise<CaseResult> {
  const m3oe = await trained(item, "fedkim");
  const lora = await trained(item, "fedplug_l");
  const embeddings = embeddingsOf(m3oe, item);
  const { decoder } = item.base;
  const times = await alternate([
    frozenBase(decoder, embeddings),
    stepOf("lora", lora, item),
    stepOf("m3oe", m3oe, item),
    ...partsOf(m3oe, item),
  ], REPEATS);
  const merged = await m3oe.merge(BENCH_TASK);
  const forward = await alternate([
    inference("base", decoder, embeddings),
    inference("merged", merged.decoder, embeddings),
  ], REPEATS);
  merged.unmerge();
  const time = (name: string): number => times.get(name) as number;
  const cell = (value: number): string => value.toFixed(1);
  const verdict = (ratio: number, limit: number): string =>
    `${ratio.toFixed(2)} (${limit}) ${ratio <= limit ? "met" : "**missed**"}`;
  const rows = embeddings.shape[0] * embeddings.shape[1];
  const ratio = (forward.get("merged") as number) / (forward.get("base") as number);
  const result = {
    step: `| ${item.name} | ${rows} | ${cell(time("base"))} | ${cell(time("lora"))} | ${
      cell(time("m3oe"))
    } | ${verdict(time("m3oe") / time("lora"), LORA_LIMIT)} | ${
      verdict(time("m3oe") / time("base"), BASE_LIMIT)
    } |`,
    merged: `| ${item.name} | ${cell(forward.get("base") as number)} | ${
      cell(forward.get("merged") as number)
    } | ${verdict(ratio, MERGED_LIMIT)} |`,
    parts: `| ${item.name} | ${PARTS.map((name) => cell(time(name))).join(" | ")} |`,
  };
  embeddings.dispose();
  m3oe.dispose();
  lora.dispose();
  return result;
}

const PARTS = [
  "gradients",
  "gate",
  "update",
  "one layer frozen",
  "one layer folded",
  "one layer low-rank",
] as const;

/** Where the time of a step goes, and one adapted layer in both forms. */
function partsOf(model: InjectedModel, { batch, tokens }: BenchCase): Measured[] {
  const samples = model.encode(benchSamples(batch, tokens));
  const { named, lookup } = model.parameters;
  const optimizer = new InjectionOptimizer(
    named.map(({ name, variable }) => ({ name, variable, rate: 1 })),
    0.01,
  );
  const zeros = new Map(named.map(({ name, variable }) => [name, tf.zerosLike(variable)]));
  const gate = named.filter(({ part }) => part === "gate").map(({ variable }) => variable);
  const layer = model.base.decoder.weights.layers[0].linears.up_proj;
  const rows = batch * 40;
  const x = tf.randomNormal([rows, layer.weight.shape[0]], 0, 1, "float32", 4) as tf.Tensor2D;
  const scale = tf.tidy(() => expertScale(model.gateOf(BENCH_TASK), model.config.r, 2));
  const { down, up } = lookup(0, "up_proj") as ExpertPair;
  const layerRun =
    (project: (x: tf.Tensor2D, pair: ExpertPair, scale: tf.Tensor2D) => tf.Tensor | undefined) =>
    async (): Promise<void> => {
      const { value, grads } = tf.valueAndGrads((...[input, a, b, s]: tf.Tensor[]) => {
        const pair = { down: a as tf.Tensor2D, up: b as tf.Tensor2D };
        return project(input as tf.Tensor2D, pair, s as tf.Tensor2D)?.sum() as tf.Scalar;
      })([x, tf.clone(down), tf.clone(up), scale]);
      await readScalar(value);
      disposeAll([value, ...grads]);
    };
  const lowRank = (pair: ExpertPair, s: tf.Tensor2D): LinearAdapter => expertAdapter(() => pair, s);
  return [
    {
      name: "gradients",
      body: async () => {
        const { gradients } = await stepGradients(model, [BENCH_TASK], samples, { seed: 1, step: 0 });
        disposeAll(gradients.values());
      },
    },
    {
      name: "gate",
      body: async () => {
        const { value, grads } = tf.variableGrads(() => model.gateOf(BENCH_TASK).square().sum(), gate);
        await readScalar(value);
        disposeAll([value, ...Object.values(grads)]);
      },
    },
    {
      name: "update",
      body: async () => {
        optimizer.step(zeros, 0, 1);
        await readScalar(named[0].variable.slice([0, 0], [1, 1]).asScalar());
      },
    },
    {
      name: "one layer folded",
      body: layerRun((x, pair, s) =>
        foldedAdapter(() => pair, s, lowRank(pair, s)).project(0, "up_proj", x, layer)
      ),
    },
    {
      name: "one layer low-rank",
      body: layerRun((x, pair, s) => lowRank(pair, s).project(0, "up_proj", x, layer)),
    },
    {
      name: "one layer frozen",
      body: async () => {
        const { value, grad } = tf.valueAndGrad((input: tf.Tensor) =>
          linear(input as tf.Tensor2D, layer.weight).sum()
        )(x);
        await readScalar(value);
        disposeAll([value, grad]);
      },
    },
  ];
}

async function section(backend: "wasm" | "webgpu", device: string): Promise<string[]> {
  await selectBackend(backend);
  const results: CaseResult[] = [];
  for (const item of await benchCases()) {
    results.push(await measure(item));
    item.base.decoder.dispose();
  }
  return [
    `## ${backend}: ${device}`,
    "",
    "A training step (gradients, clipping, AdamW) with six experts of rank 4 on all seven linear layers, against " +
    "the same step with one LoRA of rank 24, and against forward pass and gradient of the input embeddings of the " +
    "frozen base alone. Limits in brackets.",
    "",
    "| base | tokens a step | frozen base | LoRA step | M3OE step | M3OE / LoRA | M3OE / base |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...results.map(({ step }) => step),
    "",
    "Inference, forward pass of the same batch, with the experts of a task merged:",
    "",
    "| base | frozen base | merged | merged / base |",
    "| --- | ---: | ---: | ---: |",
    ...results.map(({ merged }) => merged),
    "",
    "Where the time goes: all gradients of a step; of these the gate, forward and backward; clipping and AdamW; and " +
    "one up_proj, forward and backward: frozen, with experts folded into the weight (as in training where it " +
    "pays), and with experts in the low-rank form (what training did before folding).",
    "",
    `| base | ${PARTS.join(" | ")} |`,
    `| --- | ${PARTS.map(() => "---:").join(" | ")} |`,
    ...results.map(({ parts }) => parts),
    "",
  ];
}

/** `deno task bench m3oe`: measures and writes the page. */
export async function runM3oeBench(): Promise<void> {
  const best = await selectBackend("auto");
  const hardware = best.name === "webgpu" && !best.software;
  const text = [
    "# Injection, measured",
    "",
    `${
      new Date().toISOString().slice(0, 10)
    }, ${navigator.hardwareConcurrency} CPU cores (shared with other ` +
    `jobs), one thread used, Deno ${Deno.version.deno}; \`deno task bench m3oe\` makes this page anew. Milliseconds, ` +
    `medians of ${REPEATS} alternating runs: CPU time on wasm, wall-clock time on a GPU.`,
    "",
    ...await section("wasm", "SIMD, one thread"),
    ...(hardware ? await section("webgpu", best.device) : ["No hardware GPU was at hand for this page.", ""]),
  ].join("\n");
  await Deno.writeTextFile(new URL("../results/m3oe.md", import.meta.url), text);
  console.log(text);
}
