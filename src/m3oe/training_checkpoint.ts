import { canonicalJson, sha256Hex } from "../formats/canonical_json.ts";
import { writeDurable } from "../formats/durable_file.ts";
import { FedKimError } from "../formats/errors.ts";
import {
  encodeSafetensors,
  openSafetensors,
  readFloats,
  type TensorArchive,
  type TensorToWrite,
} from "../formats/safetensors.ts";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import type { EncodedSample } from "./encoded_sample.ts";
import type { InjectedModel } from "./injected_model.ts";
import type { OptimizerState } from "./optimizer.ts";

const FORMAT = "fedkim-m3oe-training/1";

/** The best epoch so far, with its weights. */
export interface BestEpoch {
  /** Validation loss. */
  readonly loss: number;
  /** Epoch, from 1; 0 for none yet. */
  readonly epoch: number;
  /** Weights by name. */
  readonly values: ReadonlyMap<string, Float32Array>;
}

/**
 * Everything an injection needs to go on. Random sources are functions of seed and step, so the step is their
 * position.
 */
export interface TrainingState {
  /** Steps made. */
  readonly step: number;
  /** Weights by name. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** Moments of the optimizer. */
  readonly optimizer: OptimizerState;
  /** The best epoch so far. */
  readonly best: BestEpoch;
}

/**
 * A hash of everything that decides a run: base, settings, seed, task texts and samples.
 *
 * @param model the untrained model
 * @param seed the run's seed
 * @param samples encoded training and validation samples
 * @returns hex
 */
export function runFingerprint(
  model: InjectedModel,
  seed: number,
  samples: readonly (readonly EncodedSample[])[],
): string {
  const hash = createHash("sha256");
  const { config, tasks, base } = model;
  hash.update(canonicalJson({ config, tasks, base: base.decoder.baseHash, seed }));
  const text = (value: unknown): void => void hash.update(JSON.stringify(value));
  for (const list of samples) {
    text(list.length);
    for (const { task, modalities, suffix, answer, teacher } of list) {
      text([task.name, suffix, answer, teacher ?? null]);
      for (const { modality, tokens, count } of modalities) {
        text([modality, count]);
        hash.update(new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength));
      }
    }
  }
  for (const { encoder } of model.parameters.encoders.values()) {
    for (const [name, { data }] of encoder.weights) {
      text(name);
      hash.update(sha256Hex(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)));
    }
  }
  return hash.digest("hex");
}

/**
 * Writes a state; a crash leaves the file that was there before.
 *
 * @param path the file
 * @param fingerprint what {@link runFingerprint} gives
 * @param state the state
 */
export async function writeCheckpoint(
  path: string,
  fingerprint: string,
  state: TrainingState,
): Promise<void> {
  const tensors = new Map<string, TensorToWrite>();
  const put = (prefix: string, values: ReadonlyMap<string, Float32Array>): void => {
    for (const [name, list] of values) {
      tensors.set(`${prefix}/${name}`, { dtype: "F32", shape: [list.length], values: list });
    }
  };
  put("weights", state.weights);
  put("first", state.optimizer.first);
  put("second", state.optimizer.second);
  put("best", state.best.values);
  const bytes = encodeSafetensors(tensors, {
    format: FORMAT,
    fingerprint,
    step: String(state.step),
    optimizerSteps: String(state.optimizer.steps),
    bestEpoch: String(state.best.epoch),
    bestLoss: String(state.best.loss),
  });
  await writeDurable(path, bytes);
}

/**
 * Reads a state.
 *
 * @param path the file
 * @param fingerprint of the run that wants to go on
 * @param sizes number of values by name of the trained tensors
 * @returns the state, or undefined where there is no file
 * @throws FedKimError `FormatError` for a damaged file, `ConfigError` for the file of another run
 */
export async function readCheckpoint(
  path: string,
  fingerprint: string,
  sizes: ReadonlyMap<string, number>,
): Promise<TrainingState | undefined> {
  if (!existsSync(path)) return undefined;
  const archive = await openSafetensors(path);
  const { metadata } = archive;
  if (metadata.format !== FORMAT) throw damaged(path, `format ${metadata.format}`, FORMAT);
  if (metadata.fingerprint !== fingerprint) {
    throw new FedKimError("ConfigError", `The checkpoint ${path} belongs to another injection.`, {
      found: "another base, configuration, seed, task text or sample",
      needed: "those that the checkpoint was written with",
      remedy: "run with the same settings and data, or remove the file to start anew",
    });
  }
  const whole = (name: string): number => {
    const value = Number(metadata[name]);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw damaged(path, `${name} = ${metadata[name]}`, "a whole number");
  };
  const epoch = whole("bestEpoch");
  return {
    step: whole("step"),
    weights: await readGroup(archive, "weights", sizes),
    optimizer: {
      steps: whole("optimizerSteps"),
      first: await readGroup(archive, "first", sizes),
      second: await readGroup(archive, "second", sizes),
    },
    best: {
      epoch,
      loss: Number(metadata.bestLoss),
      values: epoch === 0 ? new Map() : await readGroup(archive, "best", sizes),
    },
  };
}

async function readGroup(
  archive: TensorArchive,
  prefix: string,
  sizes: ReadonlyMap<string, number>,
): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const [name, size] of sizes) {
    const stored = archive.tensors.get(`${prefix}/${name}`);
    if (stored?.shape.join() !== String(size)) {
      throw damaged(archive.path, `${prefix}/${name} missing or of another size`, `${size} values`);
    }
    values.set(name, await readFloats(stored));
  }
  return values;
}

function damaged(path: string, found: string, needed: string): FedKimError {
  return new FedKimError("FormatError", `The checkpoint ${path} cannot be used.`, {
    found,
    needed,
    remedy: "remove the file to start anew",
  });
}
