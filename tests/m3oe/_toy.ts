import { loadDecoder, loadTokenizer } from "../../src/foundation/mod.ts";
import type { InjectionBase, InjectionConfig, InjectionSample, TaskText } from "../../src/m3oe/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
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

/** Runs a test body with a tiny random base on the wasm backend. */
export async function withToyBase(
  body: (base: InjectionBase, folder: string) => Promise<void>,
): Promise<void> {
  await selectBackend("wasm");
  const folder = await writeTinyModel();
  const decoder = await loadDecoder(folder);
  try {
    await body({ decoder, tokenizer: await loadTokenizer(folder) }, folder);
  } finally {
    decoder.dispose();
    await Deno.remove(folder, { recursive: true });
  }
}
