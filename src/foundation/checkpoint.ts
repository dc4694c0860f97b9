import { existsSync } from "node:fs";
import { FedKimError } from "../formats/errors.ts";
import { openSafetensors, readFloats } from "../formats/safetensors.ts";
import { type DecoderConfig, parseDecoderConfig } from "./config.ts";
import { openGgufCheckpoint } from "./gguf_checkpoint.ts";
import { readJsonFile } from "./_json_file.ts";

/** One tensor of a checkpoint: described, but unread. */
export interface CheckpointTensor {
  /** Its name as in Hugging Face checkpoints of the family. */
  readonly name: string;
  /** Path of the file that holds it. */
  readonly file: string;
  /** Element type on disk, e.g. `F16` or `Q4_K`. */
  readonly dtype: string;
  /** Lengths of its axes, row-major. */
  readonly shape: readonly number[];
  /** Bytes on disk. */
  readonly byteLength: number;
  /** Reads its values by range, as float32 in the layout of Hugging Face checkpoints. */
  read(): Promise<Float32Array>;
}

/** The tensors of a checkpoint, headers checked, none read. */
export interface CheckpointTensors {
  /** Path that was opened, for messages. */
  readonly path: string;
  /** Tensors by name. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
}

/** The parts of a checkpoint, headers checked, no tensor read. */
export interface Checkpoint {
  /** Its architecture. */
  readonly config: DecoderConfig;
  /** The tensors on disk. */
  readonly archive: CheckpointTensors;
}

/**
 * Opens a checkpoint without reading its tensors.
 *
 * @param path a Hugging Face folder (`config.json` and safetensors, single or sharded), or a `.gguf` file
 * @returns configuration and tensor descriptions
 * @throws FedKimError `FormatError` for malformed files, `ModelError` for a model that is not supported
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  if (isGguf(path)) return await openGgufCheckpoint(path);
  const configFile = `${path}/config.json`;
  const config = parseDecoderConfig(await readJsonFile(configFile), configFile);
  const candidates = ["model.safetensors", "model.safetensors.index.json"].map((name) => `${path}/${name}`);
  const file = candidates.find((candidate) => existsSync(candidate));
  if (file === undefined) {
    throw new FedKimError("FormatError", `The model folder ${path} has no weights.`, {
      found: "neither model.safetensors nor model.safetensors.index.json",
      needed: "weights in the safetensors format",
      remedy: "copy the whole model folder again",
    });
  }
  const stored = await openSafetensors(file);
  const tensors = [...stored.tensors].map(([name, tensor]) =>
    [name, { ...tensor, read: () => readFloats(tensor) }] as const
  );
  return { config, archive: { path: file, tensors: new Map(tensors) } };
}

/**
 * True when a path names a GGUF file rather than a folder.
 *
 * @param path a checkpoint's path
 * @returns whether it ends in `.gguf`
 */
export function isGguf(path: string): boolean {
  return path.toLowerCase().endsWith(".gguf");
}
