import { type Decoder, EMBEDDED_MODEL_FOLDER, loadDecoder, loadTokenizer } from "../../src/foundation/mod.ts";
import { initTrainableWeights } from "../../src/foundation/init_weights.ts";
import { disposeWeights } from "../../src/foundation/weights.ts";
import type { InjectionBase, InjectionSample, TaskText } from "../../src/m3oe/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";

/** A base model and the batch that is measured on it. */
export interface BenchCase {
  /** What it is. */
  readonly name: string;
  /** Samples per step. */
  readonly batch: number;
  /** Tokens of each of three modalities. */
  readonly tokens: number;
  /** Decoder and tokenizer. */
  readonly base: InjectionBase;
}

/** Widths of a decoder that is made up. */
interface Shape {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
}

/** A random decoder with the embedded model's vocabulary. */
function madeUp(decoder: Decoder, { hiddenSize, intermediateSize, layers, heads }: Shape): Decoder {
  const headDim = hiddenSize / heads;
  const sizes = { hiddenSize, intermediateSize, layers, heads, kvHeads: heads, headDim };
  const config = { ...decoder.config, ...sizes };
  const { weights } = initTrainableWeights(config, 1);
  const dispose = (): void => disposeWeights(weights);
  return { folder: "", config, weights, baseHash: "made up", parameterCount: 0, dispose };
}

/** The cases: the embedded model as the demo uses it, and two wider decoders. */
export async function benchCases(): Promise<BenchCase[]> {
  const decoder = await loadDecoder(EMBEDDED_MODEL_FOLDER);
  const tokenizer = await loadTokenizer(EMBEDDED_MODEL_FOLDER);
  const { hiddenSize, layers } = decoder.config;
  const wide = madeUp(decoder, { hiddenSize: 256, intermediateSize: 688, layers: 4, heads: 4 });
  const wider = madeUp(decoder, { hiddenSize: 576, intermediateSize: 1536, layers: 2, heads: 9 });
  return [
    {
      name: `embedded model, ${hiddenSize} wide, ${layers} layers`,
      batch: 32,
      tokens: 4,
      base: { decoder, tokenizer },
    },
    { name: "random, 256 wide, 4 layers", batch: 16, tokens: 8, base: { decoder: wide, tokenizer } },
    { name: "random, 576 wide, 2 layers", batch: 16, tokens: 8, base: { decoder: wider, tokenizer } },
  ];
}

/** The task of the samples. */
export const BENCH_TASK: TaskText = {
  name: "shock",
  description: "Predict from the first day in intensive care whether the patient is in shock: low blood " +
    "pressure with signs of poor perfusion in spite of fluids.",
  modalityDescription: "vital signs, laboratory values and inputs of the first 24 hours",
  type: "binary",
};

/** Samples of three modalities with 32 features a token. */
export function benchSamples(count: number, tokens: number): InjectionSample[] {
  const random = new SeededRandom(2);
  return Array.from({ length: count }, (_, index) => ({
    task: BENCH_TASK.name,
    modalities: ["vitals", "labs", "inputs"].map((modality) => ({
      modality,
      count: tokens,
      tokens: Float32Array.from({ length: tokens * 32 }, () => random.normal()),
    })),
    question: "Is the patient in shock, given the first 24 hours of intensive care?",
    label: (index % 2) as 0 | 1,
  }));
}
