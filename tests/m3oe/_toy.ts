import { loadDecoder, loadTokenizer } from "../../src/foundation/mod.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import {
  type InjectedModel,
  type InjectionBase,
  type InjectionConfig,
  type InjectionSample,
  type TaskText,
  trainInjection,
  type TrainInjectionOptions,
} from "../../src/m3oe/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { type BackendName, selectBackend } from "../../src/tensor/mod.ts";
import { writeTinyModel } from "../foundation/_tiny_model.ts";

/** Two binary tasks and an open one over two modalities. */
export const TOY_TASKS: readonly TaskText[] = [
  {
    name: "shock",
    description: "is the patient in shock",
    modalityDescription: "vitals : labs",
    type: "binary",
  },
  { name: "pneumonia", description: "pneumonia in the image", modalityDescription: "image", type: "binary" },
  { name: "describe", description: "answer the question", modalityDescription: "image : labs", type: "open" },
];

/** Small and fast settings. */
export const TOY_CONFIG: Partial<InjectionConfig> = {
  experts: 3,
  r: 2,
  loraAlpha: 4,
  epochs: 3,
  batchSize: 8,
};

/** Samples whose label is the sign of the first token feature; questions differ in length. */
export function toySamples(count: number, seed: number): InjectionSample[] {
  const random = new SeededRandom(seed);
  const tokens = (modality: string, length: number): InjectionSample["modalities"][number] => ({
    modality,
    count: length,
    tokens: Float32Array.from({ length: 4 * length }, () => random.normal()),
  });
  return Array.from({ length: count }, (_, index) => {
    const shock = index % 2 === 0;
    const modalities = shock ? [tokens("vitals", 2), tokens("labs", 1)] : [tokens("image", 2)];
    return {
      task: shock ? "shock" : "pneumonia",
      modalities,
      question: index % 3 === 0 ? "is the patient in shock" : "pneumonia",
      label: modalities[0].tokens[0] > 0 ? 1 : 0,
    };
  });
}

/** The same samples with the answers of a linear teacher of each task: a fixed map of the mean token. */
export function taughtSamples(count: number, seed: number): InjectionSample[] {
  return toySamples(count, seed).map((sample) => ({
    ...sample,
    teacher: 1 / (1 + Math.exp(-toyHead(sample))),
  }));
}

/** The logit of the toy teacher. */
export function toyHead({ modalities }: InjectionSample): number {
  const rows = modalities.reduce((sum, { count }) => sum + count, 0);
  return modalities.reduce(
    (sum, { tokens }) =>
      tokens.reduce((all, value, i) => all + 2 * value * [1, -0.5, 0.7, 0.2][i % 4] / rows, sum),
    0,
  );
}

/** Trains on the toy samples; `more` overrides the options of the run. */
export async function trainToy(
  base: InjectionBase,
  config: Partial<InjectionConfig> = {},
  more: Partial<TrainInjectionOptions> = {},
): Promise<{ model: InjectedModel; losses: number[] }> {
  const losses: number[] = [];
  const model = await trainInjection({
    ...base,
    tasks: TOY_TASKS,
    samples: toySamples(96, 1),
    validation: toySamples(32, 2),
    config: { ...TOY_CONFIG, ...config },
    seed: 3,
    onStep: ({ loss }) => losses.push(loss),
    ...more,
  });
  return { model, losses };
}

/** Accepts an error of the given code. */
export function refuses(code: string): (error: unknown) => boolean {
  return (error) => error instanceof FedKimError && error.code === code;
}

/** Runs a test body with a new folder. */
export async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "fedkim-m3oe-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a test body with a tiny random base. */
export async function withToyBase(
  body: (base: InjectionBase, folder: string) => Promise<void>,
  backend: BackendName = "wasm",
): Promise<void> {
  await selectBackend(backend);
  const folder = await writeTinyModel();
  const decoder = await loadDecoder(folder);
  try {
    await body({ decoder, tokenizer: await loadTokenizer(folder) }, folder);
  } finally {
    decoder.dispose();
    await Deno.remove(folder, { recursive: true });
  }
}
