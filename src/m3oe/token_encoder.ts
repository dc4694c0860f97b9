import { FedKimError } from "../formats/errors.ts";
import { tf } from "../tensor/mod.ts";

/** A tensor on the host. */
export interface HostTensor {
  /** Lengths of its axes. */
  readonly shape: readonly number[];
  /** Row-major values. */
  readonly data: Float32Array;
}

/**
 * The trainable upper layers of one modality's encoder, as a differentiable function. With it, an injection also
 * trains the encoder (paper, steps 1 to 3), and {@link InjectedModel.encoderWeights} gives its weights back under the
 * names they came with. Samples then carry, as `tokens` of this modality, the encoder's input instead of its output.
 */
export interface TokenEncoder {
  /** The modality that it encodes. */
  readonly modality: string;
  /** Values per record that it reads. */
  readonly inputWidth: number;
  /** Tokens per record that it gives; the `count` of a sample that has the modality. */
  readonly tokens: number;
  /** Width of a token. */
  readonly dEnc: number;
  /** Initial weights by name; names are unique over all encoders. */
  readonly weights: ReadonlyMap<string, HostTensor>;
  /**
   * Computes tokens from `weights` and input rows, differentiable in the weights.
   *
   * @param parameter finds a weight by its name
   * @param input one row per record, `[B, inputWidth]`
   * @returns `[B * tokens, dEnc]`, zero for tokens that the record lacks
   */
  readonly encode: (parameter: (name: string) => tf.Tensor, input: tf.Tensor2D) => tf.Tensor2D;
}

/** Encoders with their weights on the backend. */
export interface AttachedEncoder {
  /** The encoder. */
  readonly encoder: TokenEncoder;
  /** Its weights by name. */
  readonly parameters: ReadonlyMap<string, tf.Tensor>;
}

/**
 * Tokens of a batch of records.
 *
 * @param attached encoder and weights
 * @param rows one row of `inputWidth` values per record
 * @returns `[B * tokens, dEnc]`; call inside `tf.tidy`
 */
export function encodeRows(
  { encoder, parameters }: AttachedEncoder,
  rows: readonly Float32Array[],
): tf.Tensor2D {
  const values = new Float32Array(rows.length * encoder.inputWidth);
  rows.forEach((row, index) => values.set(row, index * encoder.inputWidth));
  const parameter = (name: string): tf.Tensor => {
    const found = parameters.get(name);
    if (found !== undefined) return found;
    throw new FedKimError("ModelError", `The encoder of ${encoder.modality} reads a weight that it lacks.`, {
      found: name,
      needed: [...parameters.keys()].join(", "),
    });
  };
  return encoder.encode(parameter, tf.tensor2d(values, [rows.length, encoder.inputWidth]));
}

/**
 * Checks encoders before anything is trained.
 *
 * @param encoders the encoders
 * @throws FedKimError `ModelError` for two encoders of one modality, weights of one name, a shape that does not fit
 * its values, or values that are not finite
 */
export function checkEncoders(encoders: readonly TokenEncoder[]): void {
  const seen = new Set<string>();
  const once = (what: string): void => {
    if (seen.has(what)) throw unusable(`${what} twice`, "each of them once");
    seen.add(what);
  };
  for (const { modality, weights } of encoders) {
    once(`an encoder of ${modality}`);
    for (const [name, { shape, data }] of weights) {
      once(`the weight ${name}`);
      const size = shape.reduce((product, length) => product * length, 1);
      if (size !== data.length) throw unusable(`${data.length} values in ${name}`, `${size} values`);
      if (!data.every(Number.isFinite)) {
        throw unusable(`values in ${name} that are not finite`, "finite weights");
      }
    }
  }
}

function unusable(found: string, needed: string): FedKimError {
  return new FedKimError("ModelError", "The encoders cannot be trained with the injection.", {
    found,
    needed,
  });
}
