import { createHash } from "node:crypto";
import { FedKimError } from "../formats/errors.ts";
import { type BackendName, deviceMemory, gatherRows, tf, type WeightForm } from "../tensor/mod.ts";
import { type CheckpointTensors, openCheckpoint } from "./checkpoint.ts";
import type { DecoderConfig } from "./config.ts";
import { checkMemory, type DecoderUse, describeMemory, planMemory } from "./memory_plan.ts";
import { type DecoderWeights, disposeWeights, readWeights } from "./weights.ts";

/** A decoder with frozen weights on the active backend. */
export interface Decoder {
  /** The folder or file it was read from. */
  readonly folder: string;
  /** Its architecture. */
  readonly config: DecoderConfig;
  /** Its tensors. */
  readonly weights: DecoderWeights;
  /** SHA-256 over names, shapes and float32 values of all tensors, hex: what adapters are bound to. */
  readonly baseHash: string;
  /** Number of weights, a tied head counted once. */
  readonly parameterCount: number;
  /** Frees its tensors. */
  dispose(): void;
}

/** How to load a decoder. */
export interface LoadOptions {
  /**
   * How matrices are stored; default: as on disk. That loses nothing of 16-bit and 32-bit floats, Q8_0 and Q4_0;
   * other quantised kinds become float16.
   */
  readonly weights?: WeightForm;
  /** What the decoder is for, so that its memory is checked before loading; default: one sequence of one token. */
  readonly use?: DecoderUse;
  /** Receives the memory plan in one line before anything is loaded. */
  readonly report?: (line: string) => void;
}

/**
 * Reads a decoder from a Hugging Face folder: `config.json` and `model.safetensors`, or shards with
 * `model.safetensors.index.json`; or from a `.gguf` file. On WebGPU the matrices
 * stay packed; elsewhere weights become float32.
 *
 * @param folder the model folder, or the `.gguf` file
 * @param options how the weights are stored
 * @returns the decoder; the caller disposes it
 * @throws FedKimError `FormatError` for malformed files, `ModelError` for an architecture that is not supported,
 * tensors that do not fit the configuration, or a model that does not fit the device's memory
 */
export async function loadDecoder(folder: string, options: LoadOptions = {}): Promise<Decoder> {
  const { config, archive } = await openCheckpoint(folder);
  const { weights: stated } = options;
  // Other backends hold float32 anyway: rounding there to the form on disk would change nothing.
  const packs = tf.getBackend() === "webgpu";
  const form = (name: string): WeightForm =>
    stated ?? (packs ? storedForm(archive.tensors.get(name)?.dtype) : "float32");
  await planLoading(config, dominantForm(archive, form), options);
  const hash = createHash("sha256");
  let parameterCount = 0;
  const weights = await readWeights(archive, config, (name, shape, values) => {
    hash.update(`${name}[${shape.join(",")}]`).update(new Uint8Array(values.buffer));
    parameterCount += values.length;
  }, form);
  return {
    folder,
    config,
    weights,
    baseHash: hash.digest("hex"),
    parameterCount,
    dispose: () => disposeWeights(weights),
  };
}

/**
 * Embeds token ids.
 *
 * @param decoder the decoder
 * @param ids row-major token ids
 * @param shape `[B, T]`
 * @returns `[B, T, H]`
 * @throws FedKimError `ModelError` when an id is outside the vocabulary
 */
export function embedTokens(decoder: Decoder, ids: ArrayLike<number>, shape: [number, number]): tf.Tensor3D {
  const { vocabSize, hiddenSize } = decoder.config;
  const rows = Int32Array.from(ids);
  if (rows.some((id) => id < 0 || id >= vocabSize)) {
    throw new FedKimError("ModelError", "A token lies outside the model's vocabulary.", {
      needed: `ids from 0 to ${vocabSize - 1}`,
      remedy: "use the tokenizer that belongs to the model",
    });
  }
  return tf.tidy(() => gatherRows(decoder.weights.embedding, rows).reshape([...shape, hiddenSize]));
}

/** Says what loading and using the decoder needs, and refuses what does not fit. */
async function planLoading(config: DecoderConfig, weights: WeightForm, options: LoadOptions): Promise<void> {
  const offer = await deviceMemory();
  const backend = tf.getBackend() as BackendName;
  const request = { config, weights, backend, ...(options.use ?? { batch: 1, tokens: 1 }) };
  options.report?.(describeMemory(planMemory(request), offer));
  checkMemory(request, offer);
}

/** The form that most of the weights get. */
function dominantForm({ tensors }: CheckpointTensors, form: (name: string) => WeightForm): WeightForm {
  const counts = new Map<WeightForm, number>();
  for (const { name, shape } of tensors.values()) {
    if (shape.length < 2) continue;
    counts.set(form(name), (counts.get(form(name)) ?? 0) + shape[0] * shape[1]);
  }
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0] ?? "float32";
}

/** The form that holds what a kind of element on disk holds. */
function storedForm(dtype: string | undefined): WeightForm {
  switch (dtype) {
    case "F16":
      return "float16";
    case "BF16":
      return "bfloat16";
    case "Q8_0":
      return "int8";
    case "Q4_0":
      return "int4";
    default:
      return dtype?.startsWith("Q") ? "float16" : "float32";
  }
}
