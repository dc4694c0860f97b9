import { normalInit, tf } from "../tensor/mod.ts";
import { SeededRandom } from "../tensor/seeded_random.ts";
import { LINEAR_NAMES, type LinearName, linearShapes } from "./tensor_names.ts";
import type { DecoderConfig } from "./config.ts";
import type { DecoderWeights, LayerWeights, Linear } from "./weights.ts";

/** Weights that can be trained, with the variables listed in a fixed order. */
export interface TrainableWeights {
  /** The same variables as a decoder's weights. */
  readonly weights: DecoderWeights;
  /** All variables, each once. */
  readonly variables: readonly tf.Variable[];
}

/**
 * Random weights for a decoder without biases: N(0, 0.02^2), layers that write to the residual stream scaled down
 * by 1 / sqrt(2 layers) (Radford et al. 2019).
 *
 * @param config the architecture
 * @param seed seed of the initialisation
 * @returns variables; dispose them through `disposeWeights`
 */
export function initTrainableWeights(config: DecoderConfig, seed: number): TrainableWeights {
  const random = new SeededRandom(seed);
  const variables: tf.Variable[] = [];
  const variable = (make: () => tf.Tensor): tf.Variable => {
    const made = tf.tidy(() => tf.variable(make()));
    variables.push(made);
    return made;
  };
  const normal = (shape: [number, number], deviation: number): tf.Tensor2D =>
    variable(() => normalInit(shape, deviation, random)) as tf.Tensor as tf.Tensor2D;
  const gain = (): tf.Tensor => variable(() => tf.ones([config.hiddenSize]));
  const shapes = linearShapes(config);
  const linear = (name: LinearName): Linear => {
    const intoResidual = name === "o_proj" || name === "down_proj";
    return { weight: normal(shapes[name], intoResidual ? 0.02 / Math.sqrt(2 * config.layers) : 0.02) };
  };
  const embedding = normal([config.vocabSize, config.hiddenSize], 0.02);
  const layers = Array.from({ length: config.layers }, (): LayerWeights => ({
    attentionNorm: gain(),
    feedForwardNorm: gain(),
    linears: Object.fromEntries(LINEAR_NAMES.map((name) => [name, linear(name)])) as Record<
      LinearName,
      Linear
    >,
  }));
  const finalNorm = gain();
  const head = config.tiedHead ? embedding : normal([config.vocabSize, config.hiddenSize], 0.02);
  return { weights: { embedding, layers, finalNorm, head }, variables };
}
