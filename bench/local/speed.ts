/**
 * Speed of training steps on wasm: how much a private step costs over a plain one, in the same run, and
 * whether anything grows over many steps or with the number of records. A step here is forward, backward and the (clipped) sum on the host
 * in the layout of the flat vector; noise and the optimizer are the same for both and not counted. Writes
 * `bench/results/local.md`.
 *
 *     deno run -A bench/local/speed.ts
 *
 * @module
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { setModel, uploadBatch } from "../../src/local/_batch.ts";
import { logits, summedLoss, uploadParameters } from "../../src/local/_forward.ts";
import { noHook } from "../../src/local/_layer_ops.ts";
import {
  clippedGradientSum,
  createSpec,
  engineFor,
  federatedParameters,
  flatten,
  type LocalModelOptions,
  type LocalModelSpec,
  type LocalWeights,
  prepareFeatures,
  pretrainOnPublic,
  type SetFeatures,
  unflatten,
  units,
} from "../../src/local/mod.ts";
import { readFloat32, selectBackend, tensorMemory, tf } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { writePage } from "./_write_page.ts";
import { largeSite } from "./large_site.ts";
import { type MadeUpKind, madeUpSet } from "./_made_up_set.ts";

interface Case {
  readonly name: string;
  readonly kind: MadeUpKind;
  readonly options: Partial<LocalModelOptions>;
  readonly batch: number;
  readonly limit: { readonly ratio?: number; readonly milliseconds?: number };
}

const CLINICAL = { timeseries: {} };
const CASES: readonly Case[] = [
  { name: "MLP, default (image)", kind: "image", options: {}, batch: 64, limit: { ratio: 1.5 } },
  {
    name: "MLP, 2 x 128 to 512 (image)",
    kind: "image",
    options: { dEnc: 128, hidden: 512 },
    batch: 64,
    limit: { ratio: 1.5 },
  },
  {
    name: "patches, image 16 x 64, two blocks",
    kind: "image",
    options: { dEnc: 64, attention: { image: { blocks: 2, heads: 4, hidden: 128 } } },
    batch: 64,
    limit: { ratio: 2.2 },
  },
  {
    name: "patches, signal 16 x 32, one block",
    kind: "signal",
    options: { attention: { signal: {} } },
    batch: 64,
    limit: { ratio: 2.2 },
  },
  {
    name: "clinical, default attention",
    kind: "timeseries",
    options: { attention: CLINICAL },
    batch: 128,
    limit: { milliseconds: 60 },
  },
];

interface Model {
  readonly spec: LocalModelSpec;
  readonly weights: LocalWeights;
  readonly set: SetFeatures;
}

async function model(kind: MadeUpKind, options: Partial<LocalModelOptions>, sizes: number[]): Promise<Model> {
  const data = madeUpSet(kind, sizes);
  const spec = createSpec(data, ["task"], options);
  const start = await pretrainOnPublic(spec, data, undefined, { seed: 1, steps: 0 });
  const random = new SeededRandom(2);
  const weights = unflatten(spec, start, flatten(spec, start).map(() => 0.1 * random.normal()));
  return { spec, weights, set: prepareFeatures(spec, weights, data).sets.get("set") as SetFeatures };
}

/** What training without privacy does: one gradient of the summed loss by tfjs' own differentiation. */
async function plainStep({ spec, weights, set }: Model, rows: readonly number[]): Promise<Float64Array> {
  const chosen = setModel(spec, set);
  const parameters = uploadParameters(spec, weights, chosen);
  const layout = federatedParameters(spec);
  const names = layout.parameters.map(({ name }) => name);
  const gradients = tf.tidy(() => {
    const batch = uploadBatch(spec, set, chosen, rows, rows.length);
    const loss = (...values: tf.Tensor[]): tf.Scalar => {
      const parameter = (name: string): tf.Tensor => values[names.indexOf(name)];
      return summedLoss(chosen.heads, logits(spec, chosen, batch, { parameter, hook: noHook }), batch);
    };
    return tf.grads(loss)(names.map((name) => parameters.get(name) as tf.Tensor));
  });
  const flat = new Float64Array(layout.dimension);
  for (const [index, gradient] of gradients.entries()) {
    flat.set(await readFloat32(gradient), layout.parameters[index].offset);
  }
  for (const tensor of [...gradients, ...parameters.values()]) tensor.dispose();
  return flat;
}

async function privateStep({ spec, weights, set }: Model, chosen: readonly string[], rows: number) {
  const features = { sets: new Map([[set.name, set]]) };
  const sampled = new Map([[set.name, chosen]]);
  return await clippedGradientSum(spec, weights, features, sampled, new Map([[set.name, 0.1]]), { rows });
}

/** CPU time of this process in milliseconds: on a busy machine, wall-clock time measures the neighbours. */
function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Medians of the CPU time of alternating runs, so that a busy machine disturbs both alike. */
async function alternate(first: () => Promise<unknown>, second: () => Promise<unknown>, repeats: number) {
  const times: [number[], number[]] = [[], []];
  for (let run = 0; run < repeats + 3; run++) {
    for (const [index, body] of [first, second].entries()) {
      const begun = cpuTime();
      await body();
      if (run >= 3) times[index].push(cpuTime() - begun);
    }
  }
  return times.map((list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)]);
}

async function measure({ name, kind, options, batch, limit }: Case): Promise<string> {
  const made = await model(kind, options, new Array(batch).fill(1));
  const rows = Array.from({ length: batch }, (_, row) => row);
  const all = units(made.set);
  const [plain, priv] = await alternate(() => plainStep(made, rows), () => privateStep(made, all, batch), 40);
  const ratio = priv / plain;
  const wanted = limit.ratio === undefined ? `${limit.milliseconds} ms` : `${limit.ratio} x`;
  const holds = ratio <= (limit.ratio ?? Infinity) && priv <= (limit.milliseconds ?? Infinity);
  const { dimension } = federatedParameters(made.spec);
  return `| ${name} | ${dimension} | ${batch} | ${engineFor(made.spec, made.set)} | ${plain.toFixed(1)} | ` +
    `${priv.toFixed(1)} | ${ratio.toFixed(2)} | ${wanted} | ${holds ? "met" : "**missed**"} |`;
}

/** 500 steps with other samples each time, units of 1 to 20 records: tensors and memory before and after. */
async function growth(): Promise<string> {
  const random = new SeededRandom(3);
  const sizes = Array.from({ length: 150 }, () => 1 + Math.floor(random.next() ** 4 * 20));
  const made = await model("timeseries", { attention: CLINICAL }, sizes);
  const all = units(made.set);
  const step = () => privateStep(made, all.filter(() => random.next() < random.next()), 64);
  for (let run = 0; run < 100; run++) await step();
  const tensors = tf.memory().numTensors, heap = tensorMemory().allocated;
  const resident = [Deno.memoryUsage().rss];
  for (let run = 1; run <= 500; run++) {
    await step();
    if (run % 125 === 0) resident.push(Deno.memoryUsage().rss);
  }
  const grown = tf.memory().numTensors - tensors;
  const pool = (tensorMemory().allocated - heap) / 2 ** 20;
  return `500 steps with 0 to ${all.length} patients of 1 to 20 records, after 100 to warm up: ${grown} tensors more, ` +
    `WASM heap +${pool.toFixed(1)} MiB, resident memory ` +
    `${
      resident.map((bytes) => (bytes / 2 ** 20).toFixed(0)).join(", ")
    } MiB after 0, 125, 250, 375 and 500 steps.`;
}

/** GFLOP/s of x W and of its two gradients. */
async function products(): Promise<string> {
  const n = 512;
  const values = new SeededRandom(4);
  const matrix = (): tf.Tensor2D =>
    tf.tensor2d(Float32Array.from({ length: n * n }, () => values.normal()), [n, n]);
  const [x, w, d] = [matrix(), matrix(), matrix()];
  const run = (make: () => tf.Tensor) => async () => {
    const result = make();
    await result.data();
    result.dispose();
  };
  const forward = run(() => tf.matMul(x, w));
  const [plain, input] = await alternate(forward, run(() => tf.matMul(d, w, false, true)), 15);
  const [again, weight] = await alternate(forward, run(() => tf.matMul(x, d, true, false)), 15);
  for (const tensor of [x, w, d]) tensor.dispose();
  const rate = (time: number): string => (2 * n ** 3 / time / 1e6).toFixed(1);
  return `Dense products of 512 x 512: forward ${rate(plain)} GFLOP/s, gradient of the input ${
    rate(input)
  } ` +
    `(${(input / plain).toFixed(2)} x the time), of the weight ${rate(weight)} (${
      (weight / again).toFixed(2)
    } x).`;
}

/** `deno task bench local`: measures and writes the table. */
export async function runSpeedBench(): Promise<void> {
  await selectBackend("wasm");
  const rows: string[] = [];
  for (const item of CASES) rows.push(await measure(item));
  const text = [
    "# Local training steps, measured",
    "",
    `${
      new Date().toISOString().slice(0, 10)
    }, ${navigator.hardwareConcurrency} CPU cores (shared with other ` +
    `jobs), one thread used, Deno ${Deno.version.deno}, wasm backend; \`deno task bench local\` makes this table anew.`,
    "Medians of the CPU time of 40 alternating runs, milliseconds. A private step clips every patient's gradient; noise and the",
    "optimizer's step are not counted in either column.",
    "",
    "| model | federated parameters | batch | engine | plain | private | private / plain | limit | |",
    "| --- | --: | --: | --- | --: | --: | --: | --: | --- |",
    ...rows,
    "",
    await products(),
    "",
    await growth(),
    "",
    await largeSite(),
    "",
  ].join("\n");
  await Deno.mkdir(new URL("../results/", import.meta.url), { recursive: true });
  await writePage(fileURLToPath(new URL("../results/local.md", import.meta.url)), text);
  console.log(text);
}

if (import.meta.main) await runSpeedBench();
