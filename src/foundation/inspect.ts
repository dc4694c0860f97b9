import type { DecoderConfig } from "./config.ts";
import { openCheckpoint } from "./checkpoint.ts";

/** What a checkpoint folder holds, from its headers alone. */
export interface CheckpointSummary {
  /** The folder. */
  readonly folder: string;
  /** The parsed configuration. */
  readonly config: DecoderConfig;
  /** Number of weights on disk. */
  readonly parameterCount: number;
  /** Bytes of weights on disk. */
  readonly bytes: number;
  /** Bytes of weights in memory: everything becomes float32. */
  readonly bytesLoaded: number;
  /** Number of tensors. */
  readonly tensors: number;
  /** Number of tensors by element type. */
  readonly dtypes: Readonly<Record<string, number>>;
  /** Weight files. */
  readonly files: readonly string[];
}

/**
 * Describes a checkpoint without reading its weights.
 *
 * @param folder a Hugging Face model folder, or a `.gguf` file
 * @returns sizes, types and configuration
 * @throws FedKimError `FormatError` or `ModelError` for a folder that cannot be used
 */
export async function inspectCheckpoint(folder: string): Promise<CheckpointSummary> {
  const { config, archive } = await openCheckpoint(folder);
  const tensors = [...archive.tensors.values()];
  const parameterCount = tensors.reduce(
    (sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1),
    0,
  );
  const dtypes: Record<string, number> = {};
  for (const { dtype } of tensors) dtypes[dtype] = (dtypes[dtype] ?? 0) + 1;
  return {
    folder,
    config,
    parameterCount,
    bytes: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
    bytesLoaded: 4 * parameterCount,
    tensors: tensors.length,
    dtypes,
    files: [...new Set(tensors.map(({ file }) => file))],
  };
}
