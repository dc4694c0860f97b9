import { createHash } from "node:crypto";
import { z } from "zod";
import { writeDurable } from "../formats/durable_file.ts";
import { FedKimError } from "../formats/errors.ts";
import {
  encodeSafetensors,
  openSafetensors,
  readFloats,
  type TensorArchive,
  type TensorToWrite,
} from "../formats/safetensors.ts";
import { readFloat32, tf } from "../tensor/mod.ts";
import { DEFAULT_INJECTION, expertShape, TARGET_MODULES, type TargetModule } from "./config.ts";
import { resolveInjectionConfig } from "./config_check.ts";
import { concatenateExperts, separateExperts } from "./experts.ts";
import { InjectedModel, type InjectionBase } from "./injected_model.ts";
import {
  disposeParameters,
  initParameters,
  type InjectionParameters,
  type NamedVariable,
  type TokenStatistics,
} from "./parameters.ts";
import { checkEncoders, type HostTensor, type TokenEncoder } from "./token_encoder.ts";

const FORMAT = "fedkim-m3oe/1";
const CONFIG_FILE = "adapter_config.json";
const TENSOR_FILE = "adapter_model.safetensors";
const ENCODER_PREFIX = "encoders/";

// Settings that came later have defaults: a file without them means what it meant when it was written.
const configSchema = z.object({
  method: z.enum(["fedkim", "fedplug", "fedplug_l"]),
  experts: z.int().positive(),
  r: z.int().positive(),
  loraAlpha: z.number().positive(),
  loraDropout: z.number().min(0).lt(1).default(DEFAULT_INJECTION.loraDropout),
  targetModules: z.array(z.enum(TARGET_MODULES as [TargetModule, ...TargetModule[]])),
  gateTemperature: z.number().positive().default(DEFAULT_INJECTION.gateTemperature),
  gateTexts: z.enum(["both", "task_only", "modality_only"]).default(DEFAULT_INJECTION.gateTexts),
  loadBalance: z.number().nonnegative().default(DEFAULT_INJECTION.loadBalance),
  gateEntropy: z.number().default(DEFAULT_INJECTION.gateEntropy),
  expertDropout: z.number().min(0).lt(1).default(DEFAULT_INJECTION.expertDropout),
  prompt: z.object({
    prefix: z.string(),
    suffix: z.string(),
    tags: z.record(z.string(), z.tuple([z.string(), z.string()])),
    maxTextTokens: z.int().nonnegative(),
  }),
  answerLoss: z.enum(["vocabulary", "answers"]),
  distillation: z.number().min(0).max(1).default(DEFAULT_INJECTION.distillation),
  teacherSpread: z.number().nonnegative().default(DEFAULT_INJECTION.teacherSpread),
  teacherMixing: z.number().nonnegative().default(DEFAULT_INJECTION.teacherMixing),
  teacherMixingUnit: z.enum(["record", "token"]).default(DEFAULT_INJECTION.teacherMixingUnit),
  mixing: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("proportional") }),
    z.object({ kind: z.literal("uniform") }),
    z.object({ kind: z.literal("temperature"), temperature: z.number().positive() }),
  ]).default({ kind: "proportional" }),
  epochs: z.int().positive(),
  batchSize: z.int().positive(),
  accumulation: z.int().positive().default(DEFAULT_INJECTION.accumulation),
  learningRate: z.number().positive(),
  encoderRate: z.number().positive().default(DEFAULT_INJECTION.encoderRate),
  weightDecay: z.number().nonnegative(),
  tokenNoise: z.number().nonnegative(),
  maxGradNorm: z.number().positive(),
  warmup: z.number().min(0).lt(1),
  decay: z.enum(["cosine", "linear", "none"]).default(DEFAULT_INJECTION.decay),
  selection: z.enum(["last", "validation_loss"]),
  patience: z.int().positive(),
});

const fileSchema = z.object({
  format: z.literal(FORMAT),
  baseHash: z.string(),
  config: configSchema,
  tensorsSha256: z.string().optional(),
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

/** Where the files of an adapter lie, and encoders to put beside it. */
export interface LoadInjectionOptions {
  /**
   * Encoders that were trained with the injection, to be fed with their input; their weights are read from the
   * adapter. Without them samples carry tokens, made by whoever holds {@link readEncoderWeights}.
   */
  readonly encoders?: readonly TokenEncoder[];
}

/**
 * Writes an injection as `adapter_config.json` and `adapter_model.safetensors`. Experts are stored as lora_A
 * `[E, r, in]` and lora_B `[E, out, r]`, trained encoders as `encoders/NAME`; the base is not stored, only its hash.
 * Nothing is written before everything was read and found finite; each file is replaced as a whole.
 *
 * @param model the trained model
 * @param folder made if absent
 * @throws FedKimError `ModelError` when a trained tensor is not finite
 */
export async function saveInjection(model: InjectedModel, folder: string): Promise<void> {
  const tensors = new Map<string, TensorToWrite>();
  for (const [modality, { statistics }] of model.parameters.projectors) {
    const shape = [statistics.mean.length];
    tensors.set(`projector.${modality}.mean`, { dtype: "F32", shape, values: statistics.mean });
    tensors.set(`projector.${modality}.deviation`, { dtype: "F32", shape, values: statistics.deviation });
  }
  const { experts } = expertShape(model.config);
  for (const [name, tensor] of storedTensors(model.parameters, experts)) {
    tensors.set(name, { dtype: "F32", shape: tensor.shape, values: (await readFloat32(tensor)).slice() });
    tensor.dispose();
  }
  for (const [name, { values }] of tensors) {
    if (!values.every(Number.isFinite)) throw notFinite(folder, name);
  }
  const bytes = encodeSafetensors(tensors, { format: FORMAT });
  const widths = [...model.parameters.projectors].map((
    [name, { statistics }],
  ) => [name, statistics.mean.length]);
  const file = {
    format: FORMAT,
    baseHash: model.base.decoder.baseHash,
    tensorsSha256: createHash("sha256").update(bytes).digest("hex"),
    config: model.config,
    modalities: Object.fromEntries(widths),
    tasks: model.tasks,
  };
  await writeDurable(`${folder}/${TENSOR_FILE}`, bytes, 0o644);
  // Written last: a folder with a configuration that names these tensors is complete.
  await writeDurable(`${folder}/${CONFIG_FILE}`, JSON.stringify(file, null, 2) + "\n", 0o644);
}

/**
 * Reads an injection and puts it beside its base.
 *
 * @param folder written by {@link saveInjection}
 * @param base the same base it was trained on
 * @param options encoders to feed with their input
 * @returns the model; the caller disposes it
 * @throws FedKimError `FormatError` for malformed files, `ModelError` for another base or missing tensors
 */
export async function loadInjection(
  folder: string,
  base: InjectionBase,
  options: LoadInjectionOptions = {},
): Promise<InjectedModel> {
  const file = await readConfig(`${folder}/${CONFIG_FILE}`);
  if (file.baseHash !== base.decoder.baseHash) {
    throw new FedKimError("ModelError", `The adapter ${folder} belongs to another base model.`, {
      found: `base ${base.decoder.baseHash.slice(0, 16)}`,
      needed: `base ${file.baseHash.slice(0, 16)}`,
      remedy: "load the foundation model it was trained on",
    });
  }
  const archive = await openSafetensors(`${folder}/${TENSOR_FILE}`);
  if (file.tensorsSha256 !== undefined) await checkHash(archive.path, file.tensorsSha256);
  const modalities = new Map<string, TokenStatistics>();
  for (const [modality, width] of Object.entries(file.modalities)) {
    modalities.set(modality, {
      mean: await readExact(archive, `projector.${modality}.mean`, [width]),
      deviation: await readExact(archive, `projector.${modality}.deviation`, [width]),
    });
  }
  const { encoders = [] } = options;
  checkEncoders(encoders);
  const config = resolveInjectionConfig(file.config, base.decoder.config);
  const shapes = { decoder: base.decoder.config, modalities, embeddingDeviation: 1, encoders };
  const parameters = initParameters(config, shapes, 0);
  try {
    await restoreTensors(archive, parameters, expertShape(config).experts);
    return new InjectedModel(base, config, parameters, file.tasks);
  } catch (error) {
    disposeParameters(parameters);
    throw error;
  }
}

/**
 * The weights of the encoders that were trained with a saved injection.
 *
 * @param folder written by {@link saveInjection}
 * @returns weights by the encoders' own names; empty when none was trained
 * @throws FedKimError `FormatError` for malformed files, `ModelError` for values that are not finite
 */
export async function readEncoderWeights(folder: string): Promise<Map<string, HostTensor>> {
  const archive = await openSafetensors(`${folder}/${TENSOR_FILE}`);
  const weights = new Map<string, HostTensor>();
  for (const [name, { shape }] of archive.tensors) {
    if (!name.startsWith(ENCODER_PREFIX)) continue;
    weights.set(name.slice(ENCODER_PREFIX.length), { shape, data: await readExact(archive, name, shape) });
  }
  return weights;
}

async function checkHash(path: string, expected: string): Promise<void> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const chunk = new Uint8Array(1 << 20);
  for (let count = await file.read(chunk); count !== null; count = await file.read(chunk)) {
    hash.update(chunk.subarray(0, count));
  }
  if (hash.digest("hex") === expected) return;
  throw new FedKimError("FormatError", `The adapter's tensors ${path} are not those of its configuration.`, {
    found: "another SHA-256",
    needed: expected.slice(0, 16),
    remedy: "copy the adapter folder again",
  });
}

/** Trained tensors in the layout of the file. */
function storedTensors({ named }: InjectionParameters, experts: number): Map<string, tf.Tensor> {
  const stored = new Map<string, tf.Tensor>();
  const at = byName(named);
  for (const { part, name, variable } of named) {
    if (part === "experts" && name.endsWith(".down")) {
      const up = at.get(upName(name)) as tf.Tensor2D;
      const { loraA, loraB } = separateExperts({ down: variable as tf.Tensor as tf.Tensor2D, up }, experts);
      stored.set(name.replace(/\.down$/, ".lora_A"), loraA);
      stored.set(name.replace(/\.down$/, ".lora_B"), loraB);
    } else if (part !== "experts") {
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
  for (const { part, name, variable } of named) {
    if (part === "experts" && name.endsWith(".up")) continue;
    if (part !== "experts") {
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
  throw notFinite(archive.path, name);
}

function notFinite(place: string, name: string): FedKimError {
  return new FedKimError("ModelError", `The adapter ${place} contains values that are not finite.`, {
    found: `tensor ${name}`,
    remedy: "train the injection again with a lower learningRate",
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
