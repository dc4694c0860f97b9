import { existsSync } from "node:fs";
import { FedKimError } from "../formats/errors.ts";
import { openSafetensors, readFloats, type TensorToWrite, writeSafetensors } from "../formats/safetensors.ts";
import { type AdamW, readFloat32, tf } from "../tensor/mod.ts";

/** Where a pre-training run keeps what it needs to go on. */
export function stateFile(output: string): string {
  return `${output}/pretraining.safetensors`;
}

/** Writes variables and moments, bound to the settings of the run. */
export async function saveState(
  output: string,
  run: string,
  step: number,
  variables: readonly tf.Variable[],
  optimizer: AdamW,
): Promise<void> {
  const tensors = new Map<string, TensorToWrite>();
  const put = (name: string, shape: readonly number[], values: Float32Array): void =>
    void tensors.set(name, { dtype: "F32", shape, values });
  const { moments } = await optimizer.state();
  for (const [index, variable] of variables.entries()) {
    put(`variable.${index}`, variable.shape, await readFloat32(variable));
  }
  moments.forEach((values, index) =>
    put(`moment.${index}`, variables[index % variables.length].shape, values)
  );
  await writeSafetensors(stateFile(output), tensors, { run, step: String(step) });
}

/** Restores variables and moments of an interrupted run; the number of steps made, 0 where there is none. */
export async function restoreState(
  output: string,
  run: string,
  variables: readonly tf.Variable[],
  optimizer: AdamW,
): Promise<number> {
  if (!existsSync(stateFile(output))) return 0;
  const { path, tensors, metadata } = await openSafetensors(stateFile(output));
  const step = Number(metadata.step);
  if (metadata.run !== run || !Number.isSafeInteger(step) || tensors.size !== 3 * variables.length) {
    throw new FedKimError("ModelError", "The interrupted pre-training run cannot go on.", {
      found: `${path} of a run with other settings or another corpus`,
      needed: "the settings it began with",
      remedy: "repeat the command it began with, or write to another folder",
    });
  }
  const read = async (name: string): Promise<Float32Array> => {
    const stored = tensors.get(name);
    if (stored !== undefined) return await readFloats(stored);
    throw new FedKimError("FormatError", `The state of the run, ${path}, is incomplete.`, {
      found: `no tensor ${name}`,
      remedy: "delete the file to start again",
    });
  };
  for (const [index, variable] of variables.entries()) {
    const values = await read(`variable.${index}`);
    tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
  }
  const moments: Float32Array[] = [];
  for (let index = 0; index < 2 * variables.length; index++) moments.push(await read(`moment.${index}`));
  optimizer.restore({ steps: step, moments });
  return step;
}
