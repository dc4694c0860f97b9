import {
  type DecoderConfig,
  type DecoderWeights,
  LINEAR_NAMES,
  linearShapes,
} from "../../src/foundation/mod.ts";
import { linearWeight, tf, tokenTable, uniformValues, type WeightForm } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";

/** Random frozen weights in a form, on the active backend; free them with `disposeWeights`. */
export function randomWeights(config: DecoderConfig, form: WeightForm, seed: number): DecoderWeights {
  const random = new SeededRandom(seed);
  const shapes = linearShapes(config);
  const { vocabSize, hiddenSize } = config;
  const table = () =>
    tokenTable(uniformValues(vocabSize * hiddenSize, 0.05, random), [vocabSize, hiddenSize], form);
  const embedding = table();
  return {
    embedding,
    head: config.tiedHead ? embedding : table(),
    finalNorm: tf.ones([hiddenSize]),
    layers: Array.from({ length: config.layers }, () => ({
      attentionNorm: tf.ones([hiddenSize]),
      feedForwardNorm: tf.ones([hiddenSize]),
      linears: Object.fromEntries(LINEAR_NAMES.map((name) => {
        const [input, output] = shapes[name];
        const values = uniformValues(input * output, 1 / Math.sqrt(input), random);
        return [name, { weight: linearWeight(values, [input, output], form) }];
      })) as unknown as DecoderWeights["layers"][number]["linears"],
    })),
  };
}
