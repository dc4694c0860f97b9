import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { FedKimError } from "../formats/errors.ts";
import { openSafetensors, type TensorArchive } from "../formats/safetensors.ts";
import { tf } from "../tensor/mod.ts";
import { type DecoderConfig, parseDecoderConfig } from "./config.ts";
import { readJsonFile } from "./_json_file.ts";
import { type DecoderWeights, disposeWeights, readWeights } from "./weights.ts";

/** A decoder with frozen weights on the active backend. */
export interface Decoder {
  /** The folder it was read from. */
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

/**
 * Reads a decoder from a Hugging Face folder: `config.json` and `model.safetensors`, or shards with
 * `model.safetensors.index.json`. Weights become float32 on the active backend.
 *
 * @param folder the model folder
 * @returns the decoder; the caller disposes it
 * @throws FedKimError `FormatError` for malformed files, `ModelError` for an architecture that is not supported
 * or tensors that do not fit
 */
export async function loadDecoder(folder: string): Promise<Decoder> {
  const { config, archive } = await openCheckpoint(folder);
  const hash = createHash("sha256");
  let parameterCount = 0;
  const weights = await readWeights(archive, config, (name, shape, values) => {
    hash.update(`${name}[${shape.join(",")}]`).update(new Uint8Array(values.buffer));
    parameterCount += values.length;
  });
  return {
    folder,
    config,
    weights,
    baseHash: hash.digest("hex"),
    parameterCount,
    dispose: () => disposeWeights(weights),
  };
}

/** The parts of a checkpoint folder, headers checked, no tensor read. */
export interface Checkpoint {
  /** The parsed `config.json`. */
  readonly config: DecoderConfig;
  /** The tensors on disk. */
  readonly archive: TensorArchive;
}

/**
 * Opens a checkpoint folder without reading its tensors.
 *
 * @param folder the model folder
 * @returns configuration and tensor descriptions
 * @throws FedKimError `FormatError` or `ModelError`, as {@link loadDecoder}
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const configFile = `${folder}/config.json`;
  const config = parseDecoderConfig(await readJsonFile(configFile), configFile);
  const candidates = ["model.safetensors", "model.safetensors.index.json"].map((name) => `${folder}/${name}`);
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new FedKimError("FormatError", `The model folder ${folder} has no weights.`, {
      found: "neither model.safetensors nor model.safetensors.index.json",
      needed: "weights in the safetensors format",
      remedy: "copy the whole model folder again",
    });
  }
  return { config, archive: await openSafetensors(path) };
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
  return tf.tidy(() =>
    tf.gather(decoder.weights.embedding, tf.tensor1d(rows, "int32")).reshape([...shape, hiddenSize])
  );
}
