import { z } from "zod";
import { FedKimError } from "../formats/errors.ts";
import {
  openSafetensors,
  readFloats,
  type TensorArchive,
  type TensorToWrite,
  writeSafetensors,
} from "../formats/safetensors.ts";
import { LINEAR_NAMES, type LinearName } from "../foundation/mod.ts";
import { readFloat32, tf } from "../tensor/mod.ts";
import { expertShape, type InjectionConfig } from "./config.ts";
import { concatenateExperts, separateExperts } from "./experts.ts";
import { InjectedModel, type InjectionBase } from "./injected_model.ts";
import {
  initParameters,
  type InjectionParameters,
  type NamedVariable,
  type TokenStatistics,
} from "./parameters.ts";
import type { TaskText } from "./samples.ts";

const FORMAT = "fedkim-m3oe/1";
const CONFIG_FILE = "adapter_config.json";
const TENSOR_FILE = "adapter_model.safetensors";

const configSchema = z.object({
  method: z.enum(["fedkim", "fedplug", "fedplug_l"]),
  experts: z.int().positive(),
  r: z.int().positive(),
  loraAlpha: z.number().positive(),
  targetModules: z.array(z.enum(LINEAR_NAMES as [LinearName, ...LinearName[]])),
  prompt: z.object({
    prefix: z.string(),
    suffix: z.string(),
    tags: z.record(z.string(), z.tuple([z.string(), z.string()])),
    maxTextTokens: z.int().nonnegative(),
  }),
  answerLoss: z.enum(["vocabulary", "answers"]),
  epochs: z.int().positive(),
  batchSize: z.int().positive(),
  learningRate: z.number().positive(),
  weightDecay: z.number().nonnegative(),
  tokenNoise: z.number().nonnegative(),
  maxGradNorm: z.number().positive(),
  warmup: z.number().min(0).lt(1),
  selection: z.enum(["last", "validation_loss"]),
  patience: z.int().positive(),
});

const fileSchema = z.object({
  format: z.literal(FORMAT),
  baseHash: z.string(),
  config: configSchema,
  modalities: z.record(z.string(), z.int().positive()),
  tasks: z.array(z.object({
    name: z.string(),
    description: z.string(),
    modalityDescription: z.string(),
    type: z.enum(["binary", "open"]),
  })),
});

type Shape3D = [number, number, number];
type AdapterFile = z.infer<typeof fileSchema>;

/**
 * Writes an injection as `adapter_config.json` and `adapter_model.safetensors`. Experts are stored as lora_A
 * `[E, r, in]` and lora_B `[E, out, r]`; the base is not stored, only its hash.
 *
 * @param model the trained model
 * @param folder made if absent
 */
export async function saveInjection(model: InjectedModel, folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const tensors = new Map<string, TensorToWrite>();
  for (const [modality, { statistics }] of model.parameters.projectors) {
    const shape = [statistics.mean.length];
    tensors.set(`projector.${modality}.mean`, { dtype: "F32", shape, values: statistics.mean });
    tensors.set(`projector.${modality}.deviation`, { dtype: "F32", shape, values: statistics.deviation });
  }
  const { experts } = expertShape(model.config);
  for (const [name, tensor] of storedTensors(model.parameters, experts)) {
    tensors.set(name, { dtype: "F32", shape: tensor.shape, values: await readFloat32(tensor) });
    tensor.dispose();
  }
  await writeSafetensors(`${folder}/${TENSOR_FILE}`, tensors, { format: FORMAT });
  const widths = [...model.parameters.projectors].map((
    [name, { statistics }],
  ) => [name, statistics.mean.length]);
  const file = {
    format: FORMAT,
    baseHash: model.base.decoder.baseHash,
    config: model.config,
    modalities: Object.fromEntries(widths),
    tasks: model.tasks,
  };
  // Written last: a folder with a configuration is complete.
  await Deno.writeTextFile(`${folder}/${CONFIG_FILE}`, JSON.stringify(file, null, 2) + "\n");
}

/**
 * Reads an injection and puts it beside its base.
 *
 * @param folder written by {@link saveInjection}
 * @param base the same base it was trained on
 * @returns the model; the caller disposes it
 * @throws FedKimError `FormatError` for malformed files, `ModelError` for another base or missing tensors
 */
export async function loadInjection(folder: string, base: InjectionBase): Promise<InjectedModel> {
  const file = await readConfig(`${folder}/${CONFIG_FILE}`);
  if (file.baseHash !== base.decoder.baseHash) {
    throw new FedKimError("ModelError", `The adapter ${folder} belongs to another base model.`, {
      found: `base ${base.decoder.baseHash.slice(0, 16)}`,
      needed: `base ${file.baseHash.slice(0, 16)}`,
      remedy: "load the foundation model it was trained on",
    });
  }
  const archive = await openSafetensors(`${folder}/${TENSOR_FILE}`);
  const statistics = new Map<string, TokenStatistics>();
  for (const [modality, width] of Object.entries(file.modalities)) {
    statistics.set(modality, {
      mean: await readExact(archive, `projector.${modality}.mean`, [width]),
      deviation: await readExact(archive, `projector.${modality}.deviation`, [width]),
    });
  }
  const config = file.config as InjectionConfig;
  const parameters = initParameters(config, base.decoder.config, statistics, 1, 0);
  const model = new InjectedModel(base, config, parameters, file.tasks as TaskText[]);
  try {
    await restoreTensors(archive, parameters, expertShape(config).experts);
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** Trained tensors in the layout of the file. */
function storedTensors({ named }: InjectionParameters, experts: number): Map<string, tf.Tensor> {
  const stored = new Map<string, tf.Tensor>();
  const at = byName(named);
  for (const { name, variable } of named) {
    if (name.endsWith(".down")) {
      const up = at.get(upName(name)) as tf.Tensor2D;
      const { loraA, loraB } = separateExperts({ down: variable as tf.Tensor as tf.Tensor2D, up }, experts);
      stored.set(name.replace(/\.down$/, ".lora_A"), loraA);
      stored.set(name.replace(/\.down$/, ".lora_B"), loraB);
    } else if (!name.endsWith(".up")) {
      stored.set(name, tf.clone(variable));
    }
  }
  return stored;
}

async function restoreTensors(
  archive: TensorArchive,
  { named }: InjectionParameters,
  experts: number,
): Promise<void> {
  const at = byName(named);
  for (const { name, variable } of named) {
    if (name.endsWith(".up")) continue;
    if (!name.endsWith(".down")) {
      const values = await readExact(archive, name, variable.shape);
      tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
      continue;
    }
    const up = at.get(upName(name)) as tf.Variable;
    const [input, rank] = variable.shape;
    const shapeA: Shape3D = [experts, rank / experts, input];
    const shapeB: Shape3D = [experts, up.shape[1] as number, rank / experts];
    const loraA = await readExact(archive, name.replace(/\.down$/, ".lora_A"), shapeA);
    const loraB = await readExact(archive, name.replace(/\.down$/, ".lora_B"), shapeB);
    tf.tidy(() => {
      const pair = concatenateExperts(
        tf.tensor3d(loraA, shapeA),
        tf.tensor3d(loraB, shapeB),
      );
      variable.assign(pair.down);
      up.assign(pair.up);
    });
  }
}

function byName(named: readonly NamedVariable[]): Map<string, tf.Variable> {
  return new Map(named.map(({ name, variable }) => [name, variable]));
}

function upName(downName: string): string {
  return downName.replace(/\.down$/, ".up");
}

async function readExact(
  archive: TensorArchive,
  name: string,
  shape: readonly number[],
): Promise<Float32Array> {
  const stored = archive.tensors.get(name);
  if (stored === undefined || stored.shape.join() !== shape.join()) {
    throw new FedKimError("ModelError", `The adapter ${archive.path} does not fit its configuration.`, {
      found: stored === undefined
        ? `no tensor ${name}`
        : `tensor ${name} of shape [${stored.shape.join(", ")}]`,
      needed: `${name} of shape [${shape.join(", ")}]`,
      remedy: "copy the adapter folder again",
    });
  }
  const values = await readFloats(stored);
  if (values.every(Number.isFinite)) return values;
  throw new FedKimError("ModelError", `The adapter ${archive.path} contains values that are not finite.`, {
    found: `tensor ${name}`,
    remedy: "train the injection again",
  });
}

async function readConfig(path: string): Promise<AdapterFile> {
  try {
    return fileSchema.parse(JSON.parse(await Deno.readTextFile(path)));
  } catch (cause) {
    const found = cause instanceof z.ZodError
      ? cause.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ")
      : cause instanceof Error
      ? cause.message
      : String(cause);
    throw new FedKimError("FormatError", `The adapter configuration ${path} cannot be used.`, {
      found,
      needed: `a file of format ${FORMAT}`,
      remedy: "check the path, or copy the adapter folder again",
      cause,
    });
  }
}
