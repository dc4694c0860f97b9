import { FedKimError } from "../formats/errors.ts";
import {
  type Disposable,
  disposeAll,
  type LinearWeight,
  linearWeight,
  tf,
  type TokenTable,
  tokenTable,
  type WeightForm,
} from "../tensor/mod.ts";
import type { CheckpointTensor, CheckpointTensors } from "./checkpoint.ts";
import type { DecoderConfig } from "./config.ts";
import { linearModule, type LinearName, linearShapes, storedLinear, storedNames } from "./tensor_names.ts";

/** One linear layer, y = x W + b. */
export interface Linear {
  /** `[in, out]`, the transpose of the checkpoint's layout; packed on WebGPU. */
  readonly weight: LinearWeight;
  /** `[out]`; absent where the layer has none. */
  readonly bias?: tf.Tensor;
}

/** The tensors of one decoder layer. */
export interface LayerWeights {
  /** RMSNorm gain before attention, `[H]`. */
  readonly attentionNorm: tf.Tensor;
  /** RMSNorm gain before the feed-forward network, `[H]`. */
  readonly feedForwardNorm: tf.Tensor;
  /** The seven linear layers by name. */
  readonly linears: Readonly<Record<LinearName, Linear>>;
}

/** All tensors of a decoder on the active backend. */
export interface DecoderWeights {
  /** Token embedding, `[V, H]`. */
  readonly embedding: TokenTable;
  /** The layers, bottom first. */
  readonly layers: readonly LayerWeights[];
  /** Final RMSNorm gain, `[H]`. */
  readonly finalNorm: tf.Tensor;
  /** Output head, `[V, H]`; the embedding itself when tied. */
  readonly head: TokenTable;
}

/** Called for every tensor that was read, in a fixed order, with its float32 values in the checkpoint's layout. */
export type TensorVisitor = (name: string, shape: readonly number[], values: Float32Array) => void;

/**
 * Reads a decoder's weights. Nothing stays allocated when it fails.
 *
 * @param archive the checkpoint's tensors
 * @param config its configuration
 * @param visit sees every tensor, e.g. to hash it
 * @param form how a matrix of this name is stored; gains and biases stay float32
 * @returns the weights
 * @throws FedKimError `ModelError` for a missing tensor, a wrong shape or values that are not finite
 */
export async function readWeights(
  archive: CheckpointTensors,
  config: DecoderConfig,
  visit: TensorVisitor = () => {},
  form: (name: string) => WeightForm = () => "float32",
): Promise<DecoderWeights> {
  const made: Disposable[] = [];
  const keep = <T extends Disposable>(tensor: T): T => {
    made.push(tensor);
    return tensor;
  };
  let latest: { name: string; values: Float32Array } | undefined;
  const read = async (name: string, shape: readonly number[]): Promise<Float32Array> => {
    // InternLM2's fused wqkv is asked for three times in a row and read once.
    if (latest?.name === name) return latest.values;
    const values = await readChecked(archive, name, shape);
    visit(name, shape, values);
    latest = { name, values };
    return values;
  };
  try {
    const names = storedNames(config);
    const { vocabSize, hiddenSize } = config;
    const vector = async (name: string): Promise<tf.Tensor> =>
      keep(tf.tensor1d(await read(name, [hiddenSize])));
    const table = async (name: string): Promise<TokenTable> =>
      keep(tokenTable(await read(name, [vocabSize, hiddenSize]), [vocabSize, hiddenSize], form(name)));
    const embedding = await table(names.embedding);
    const layers: LayerWeights[] = [];
    for (let layer = 0; layer < config.layers; layer++) {
      const linears: Partial<Record<LinearName, Linear>> = {};
      for (const [name, shape] of Object.entries(linearShapes(config)) as [LinearName, [number, number]][]) {
        const { weight, bias } = await storedLinear(config, layer, name, read);
        linears[name] = {
          weight: keep(linearWeight(weight, shape, form(`${linearModule(config, layer, name)}.weight`))),
          ...(bias === undefined ? {} : { bias: keep(tf.tensor1d(bias)) }),
        };
      }
      layers.push({
        attentionNorm: await vector(names.attentionNorm(layer)),
        feedForwardNorm: await vector(names.feedForwardNorm(layer)),
        linears: linears as Record<LinearName, Linear>,
      });
    }
    const finalNorm = await vector(names.finalNorm);
    return { embedding, layers, finalNorm, head: config.tiedHead ? embedding : await table(names.head) };
  } catch (error) {
    disposeAll(made);
    throw error;
  }
}

/**
 * Frees a decoder's weights.
 *
 * @param weights the weights to free
 */
export function disposeWeights(weights: DecoderWeights): void {
  disposeAll([weights.embedding, weights.head, weights.finalNorm]);
  for (const layer of weights.layers) {
    disposeAll([layer.attentionNorm, layer.feedForwardNorm]);
    for (const { weight, bias } of Object.values(layer.linears)) disposeAll([weight, bias]);
  }
}

async function readChecked(
  archive: CheckpointTensors,
  name: string,
  shape: readonly number[],
): Promise<Float32Array> {
  const stored = archive.tensors.get(name);
  if (stored === undefined) {
    throw modelError(
      archive.path,
      `tensor ${name} is missing`,
      "every tensor of the configured architecture",
    );
  }
  checkShape(stored, shape);
  const values = await stored.read();
  if (!values.every(Number.isFinite)) {
    throw modelError(stored.file, `tensor ${name} contains values that are not finite`, "finite weights");
  }
  return values;
}

function checkShape(stored: CheckpointTensor, shape: readonly number[]): void {
  if (stored.shape.length !== shape.length || stored.shape.some((length, axis) => length !== shape[axis])) {
    const found = `tensor ${stored.name} of shape [${stored.shape.join(", ")}]`;
    throw modelError(stored.file, found, `[${shape.join(", ")}] as config.json says`);
  }
}

function modelError(file: string, found: string, needed: string): FedKimError {
  return new FedKimError("ModelError", `The checkpoint ${file} does not fit its configuration.`, {
    found,
    needed,
    remedy: "copy or download the whole model folder again",
  });
}
