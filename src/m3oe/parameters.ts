import { type DecoderConfig, type LinearName, linearShapes } from "../foundation/mod.ts";
import { disposeAll, normalValues, tf, uniformValues } from "../tensor/mod.ts";
import { SeededRandom } from "../tensor/seeded_random.ts";
import { expertShape, type InjectionConfig } from "./config.ts";
import type { ExpertLookup, ExpertPair } from "./experts.ts";
import { GATE_LAYERS, type GateWeights, initGate } from "./gate.ts";

/** The projector of one modality, tokens W + b, with the fixed standardisation of its input. */
export interface Projector {
  /** `[dEnc, H]`. */
  readonly weight: tf.Tensor2D;
  /** `[H]`. */
  readonly bias: tf.Tensor;
  /** Standardisation, fitted on the training tokens. */
  readonly statistics: TokenStatistics;
}

/** Mean and standard deviation of every token feature of one modality. */
export interface TokenStatistics {
  /** `dEnc` means. */
  readonly mean: Float32Array;
  /** `dEnc` standard deviations, never 0. */
  readonly deviation: Float32Array;
}

/** One trained tensor with its stable name. */
export interface NamedVariable {
  /** Name in adapter files, e.g. `layers.0.q_proj.down`. */
  readonly name: string;
  /** The tensor. */
  readonly variable: tf.Variable;
}

/** Everything an injection trains. */
export interface InjectionParameters {
  /** Projectors by modality. */
  readonly projectors: ReadonlyMap<string, Projector>;
  /** The gate; only in `fedkim`. */
  readonly gate: GateWeights | undefined;
  /** Experts of a linear layer. */
  readonly lookup: ExpertLookup;
  /** All trained tensors in a fixed order. */
  readonly named: readonly NamedVariable[];
}

/**
 * Makes untrained parameters: experts start with B = 0, so the decoder's output is unchanged; projectors start
 * at the scale of the token embeddings.
 *
 * @param config what is trained
 * @param decoder the base's architecture
 * @param modalities statistics of every modality's tokens; their length is dEnc
 * @param embeddingDeviation standard deviation of the base's token embeddings
 * @param seed seed of the initialisation
 * @returns the parameters; free them with {@link disposeParameters}
 */
export function initParameters(
  config: InjectionConfig,
  decoder: DecoderConfig,
  modalities: ReadonlyMap<string, TokenStatistics>,
  embeddingDeviation: number,
  seed: number,
): InjectionParameters {
  const random = new SeededRandom(seed);
  const named: NamedVariable[] = [];
  const variable = (name: string, initial: tf.Tensor): tf.Tensor => {
    const made = tf.variable(initial);
    initial.dispose();
    named.push({ name, variable: made });
    return made;
  };
  const hidden = decoder.hiddenSize;
  const projectors = new Map<string, Projector>();
  for (const [modality, statistics] of modalities) {
    const width = statistics.mean.length;
    const values = normalValues(width * hidden, embeddingDeviation / Math.sqrt(width), random);
    projectors.set(modality, {
      weight: variable(`projector.${modality}.weight`, tf.tensor2d(values, [width, hidden])) as tf.Tensor2D,
      bias: variable(`projector.${modality}.bias`, tf.zeros([hidden])),
      statistics,
    });
  }
  const { experts, r } = expertShape(config);
  const gate = config.method === "fedkim"
    ? gateVariables(initGate(hidden, experts, random), variable)
    : undefined;
  const pairs = new Map<string, ExpertPair>();
  if (experts > 0) {
    const shapes = linearShapes(decoder);
    for (let layer = 0; layer < decoder.layers; layer++) {
      for (const name of config.targetModules) {
        const [input, output] = shapes[name];
        const rank = experts * r;
        // Kaiming-uniform with a = sqrt(5), the initialisation of LoRA's A.
        const down = tf.tensor2d(uniformValues(input * rank, 1 / Math.sqrt(input), random), [input, rank]);
        pairs.set(pairKey(layer, name), {
          down: variable(`layers.${layer}.${name}.down`, down) as tf.Tensor2D,
          up: variable(`layers.${layer}.${name}.up`, tf.zeros([rank, output])) as tf.Tensor2D,
        });
      }
    }
  }
  return { projectors, gate, lookup: (layer, name) => pairs.get(pairKey(layer, name)), named };
}

/**
 * Frees parameters.
 *
 * @param parameters the parameters
 */
export function disposeParameters({ named }: InjectionParameters): void {
  disposeAll(named.map(({ variable }) => variable));
}

function pairKey(layer: number, name: LinearName): string {
  return `${layer}.${name}`;
}

function gateVariables(
  initial: GateWeights,
  variable: (name: string, tensor: tf.Tensor) => tf.Tensor,
): GateWeights {
  const layer = (key: keyof GateWeights): GateWeights["q"] => ({
    weight: variable(`${GATE_LAYERS[key]}.weight`, initial[key].weight) as tf.Tensor2D,
    bias: variable(`${GATE_LAYERS[key]}.bias`, initial[key].bias),
  });
  return { q: layer("q"), k: layer("k"), v: layer("v"), out: layer("out") };
}
