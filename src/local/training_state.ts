import { FedKimError } from "../formats/errors.ts";
import { openSafetensors, readFloats, writeSafetensors } from "../formats/safetensors.ts";

/** Where a site's training stands. It holds private data's traces only through noised sums. */
export interface LocalTrainingState {
  /** Steps done. */
  readonly step: number;
  /** The federated parameters, in the layout of `federatedParameters`. */
  readonly parameters: Float32Array;
  /** The optimizer's first moment. */
  readonly first: Float32Array;
  /** The optimizer's second moment. */
  readonly second: Float32Array;
}

const FORMAT = "fedkim-local-training/1";
const PARTS = ["parameters", "first", "second"] as const;

/**
 * Writes a checkpoint as safetensors; the file appears complete or not at all.
 *
 * @param path the file
 * @param state a state that training yielded
 */
export async function writeTrainingState(path: string, state: LocalTrainingState): Promise<void> {
  const tensors = new Map(PARTS.map((part) => {
    const values = state[part];
    return [part, { dtype: "F32" as const, shape: [values.length], values }];
  }));
  await writeSafetensors(path, tensors, { format: FORMAT, step: String(state.step) });
}

/**
 * Reads a checkpoint.
 *
 * @param path the file
 * @throws FedKimError `FormatError` when it is damaged or of another format
 */
export async function readTrainingState(path: string): Promise<LocalTrainingState> {
  const archive = await openSafetensors(path);
  const step = Number(archive.metadata.step);
  const [parameters, first, second] = await Promise.all(PARTS.map(async (part) => {
    const tensor = archive.tensors.get(part);
    return tensor === undefined ? undefined : await readFloats(tensor);
  }));
  const complete = archive.metadata.format === FORMAT && Number.isInteger(step) && step >= 0;
  if (!complete || parameters === undefined || first === undefined || second === undefined) {
    throw new FedKimError("FormatError", `${path} is not a training state.`, {
      found: `format ${archive.metadata.format ?? "not stated"}`,
      needed: `${FORMAT} with ${PARTS.join(", ")} and a step`,
    });
  }
  return { step, parameters, first, second };
}
