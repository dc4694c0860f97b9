import { type DecoderConfig, type LinearName, linearShapes } from "../foundation/mod.ts";
import { disposeAll, normalValues, tf, uniformValues } from "../tensor/mod.ts";
import { SeededRandom } from "../tensor/seeded_random.ts";
import { expertShape, type InjectionConfig } from "./config.ts";
import type { ExpertLookup, ExpertPair } from "./experts.ts";
import { GATE_LAYERS, type GateWeights, initGate } from "./gate.ts";
import type { AttachedEncoder, TokenEncoder } from "./token_encoder.ts";

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

/** The parts of an injection that are trained. */
export type TrainedPart = "projectors" | "gate" | "experts" | "encoders";

/** One trained tensor with its stable name. */
export interface NamedVariable {
  /** The part it belongs to. */
  readonly part: TrainedPart;
  /** Its name, e.g. `layers.0.q_proj.down`. */
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
  /** Experts of the output head, where it is a target. */
  readonly head: ExpertPair | undefined;
  /** Encoders that are trained too, by modality. */
  readonly encoders: ReadonlyMap<string, AttachedEncoder>;
  /** All trained tensors in a fixed order. */
  readonly named: readonly NamedVariable[];
}

/** What the parameters of an injection depend on beside its configuration. */
export interface ParameterShapes {
  /** The base's architecture. */
  readonly decoder: DecoderConfig;
  /** Statistics of every modality's tokens; their length is dEnc. */
  readonly modalities: ReadonlyMap<string, TokenStatistics>;
  /** Standard deviation of the base's token embeddings. */
  readonly embeddingDeviation: number;
  /** Encoders to train. */
  readonly encoders: readonly TokenEncoder[];
}

/**
 * Makes untrained parameters: experts start with B = 0, so the decoder's output is unchanged; projectors start
 * at the scale of the token embeddings, encoders at their own weights.
 *
 * @param config what is trained
 * @param shapes base, modalities and encoders
 * @param seed seed of the initialisation
 * @returns the parameters; free them with {@link disposeParameters}
 */
export function initParameters(
  config: InjectionConfig,
  shapes: ParameterShapes,
  seed: number,
): InjectionParameters {
  const random = new SeededRandom(seed);
  const named: NamedVariable[] = [];
  const variable = (part: TrainedPart, name: string, initial: tf.Tensor): tf.Tensor => {
    const made = tf.variable(initial);
    initial.dispose();
    named.push({ part, name, variable: made });
    return made;
  };
  const { decoder, embeddingDeviation } = shapes;
  const hidden = decoder.hiddenSize;
  const projectors = new Map<string, Projector>();
  for (const [modality, statistics] of shapes.modalities) {
    const width = statistics.mean.length;
    const values = normalValues(width * hidden, embeddingDeviation / Math.sqrt(width), random);
    const made = (name: string, initial: tf.Tensor): tf.Tensor =>
      variable("projectors", `projector.${modality}.${name}`, initial);
    projectors.set(modality, {
      weight: made("weight", tf.tensor2d(values, [width, hidden])) as tf.Tensor2D,
      bias: made("bias", tf.zeros([hidden])),
      statistics,
    });
  }
  const { experts, r } = expertShape(config);
  const gate = config.method === "fedkim"
    ? gateVariables(initGate(hidden, experts, random), (name, initial) => variable("gate", name, initial))
    : undefined;
  const pair = (name: string, [input, output]: readonly [number, number]): ExpertPair => {
    const rank = experts * r;
    // Kaiming-uniform with a = sqrt(5), the initialisation of LoRA's A.
    const down = tf.tensor2d(uniformValues(input * rank, 1 / Math.sqrt(input), random), [input, rank]);
    return {
      down: variable("experts", `${name}.down`, down) as tf.Tensor2D,
      up: variable("experts", `${name}.up`, tf.zeros([rank, output])) as tf.Tensor2D,
    };
  };
  const targets = experts > 0 ? config.targetModules : [];
  const linearTargets = targets.filter((name) => name !== "lm_head");
  const pairs = new Map<string, ExpertPair>();
  for (let layer = 0; layer < decoder.layers; layer++) {
    for (const name of linearTargets) {
      pairs.set(pairKey(layer, name), pair(`layers.${layer}.${name}`, linearShapes(decoder)[name]));
    }
  }
  const head = targets.includes("lm_head")
    ? pair("lm_head", [decoder.hiddenSize, decoder.vocabSize])
    : undefined;
  const encoders = new Map(shapes.encoders.map((encoder) => [encoder.modality, attach(encoder, variable)]));
  return {
    projectors,
    gate,
    lookup: (layer, name) => pairs.get(pairKey(layer, name)),
    head,
    encoders,
    named,
  };
}

function attach(
  encoder: TokenEncoder,
  variable: (part: TrainedPart, name: string, initial: tf.Tensor) => tf.Tensor,
): AttachedEncoder {
  const parameters = [...encoder.weights].map(([name, { shape, data }]) =>
    [name, variable("encoders", `encoders/${name}`, tf.tensor(data, [...shape]))] as const
  );
  return { encoder, parameters: new Map(parameters) };
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
