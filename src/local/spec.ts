import type { ModalityKind, ModalityManifest, TaskManifest, TaskType } from "../formats/dataset_manifest.ts";
import { FedKimError } from "../formats/errors.ts";
import { viewsOf, type ViewSpec } from "./front_end.ts";
import type { SiteData } from "./site_data.ts";

/** Sizes of a local model. */
export interface LocalModelOptions {
  /** Width of a token. */
  readonly dEnc: number;
  /** Hidden units of each encoder's federated upper layer. */
  readonly hidden: number;
  /** Width of the token embedding; 0 leaves text encoders out. */
  readonly tokenDimension: number;
}

/**
 * Default sizes, chosen on a by-patient validation split of `public/`: 8 hidden units learn as much under
 * noise as 16 or 32 do, because the norm of the noise grows with the square root of the number of parameters.
 */
export const DEFAULT_MODEL_OPTIONS: LocalModelOptions = { dEnc: 32, hidden: 8, tokenDimension: 0 };

/** One modality's encoder: frozen stem (one token per view) and federated upper layer. */
export interface EncoderSpec {
  /** Name of the modality. */
  readonly modality: string;
  /** Kind of values that it reads. */
  readonly kind: ModalityKind;
  /** Names of the columns that it reads, in order; empty for images, signals and texts. */
  readonly channels: readonly string[];
  /** The front end's views; each becomes one token. */
  readonly views: readonly ViewSpec[];
  /** Number of tokens T. */
  readonly tokens: number;
  /** Hidden units of the upper layer. */
  readonly hidden: number;
  /** True when a trained task reads it, so that its upper layer is federated. */
  readonly federated: boolean;
}

/** One task's linear head on the mean of its modalities' tokens. */
export interface HeadSpec {
  /** Name of the task. */
  readonly task: string;
  /** The set whose records carry its labels. */
  readonly set: string;
  /** What the answer is, which decides the loss. */
  readonly type: Exclude<TaskType, "open">;
  /** Modalities that it reads. */
  readonly modalities: readonly string[];
  /** Number of outputs K. */
  readonly outputs: number;
}

/** One named tensor of the model. */
export interface ParameterSpec {
  /** Stable name, for example `encoder.image.down.weight`. */
  readonly name: string;
  /** Shape. */
  readonly shape: readonly number[];
  /** True when sites train it and its gradient is shared; false for the frozen stem. */
  readonly federated: boolean;
}

/** Everything that defines a local model except its numbers; plain JSON. */
export interface LocalModelSpec {
  /** Format and version. */
  readonly format: "fedkim-local-model/1";
  /** Width of a token. */
  readonly dEnc: number;
  /** Encoders in alphabetical order of their modalities. */
  readonly encoders: readonly EncoderSpec[];
  /** Heads in the order in which the tasks were asked for. */
  readonly heads: readonly HeadSpec[];
  /** Every tensor, federated ones first, in the order of the flat vector. */
  readonly parameters: readonly ParameterSpec[];
}

/**
 * Defines the local model for the modalities and tasks of the public data.
 *
 * @param publicData the server's public part; sites use the same set and modality names
 * @param tasks names of the tasks to train, all of role `train`
 * @param options sizes, see {@link DEFAULT_MODEL_OPTIONS}
 * @throws FedKimError `UnknownTask` for a task that no public set defines; `ConfigError` for a task that
 * cannot be trained locally
 */
export function createSpec(
  publicData: SiteData,
  tasks: readonly string[],
  options: Partial<LocalModelOptions> = {},
): LocalModelSpec {
  const sizes = { ...DEFAULT_MODEL_OPTIONS, ...options };
  const modalities = collectModalities(publicData, sizes.tokenDimension);
  const heads = tasks.map((name) => headOf(publicData, name, modalities));
  const encoders = [...modalities.keys()].sort().map((modality): EncoderSpec => {
    const manifest = modalities.get(modality) as ModalityManifest;
    const views = viewsOf(manifest, sizes.tokenDimension);
    return {
      modality,
      kind: manifest.kind,
      channels: channelsOf(manifest),
      views,
      tokens: views.length,
      hidden: sizes.hidden,
      federated: heads.some((head) => head.modalities.includes(modality)),
    };
  });
  const parameters = [...upperParameters(encoders, sizes.dEnc), ...headParameters(heads, sizes.dEnc)];
  return {
    format: "fedkim-local-model/1",
    dEnc: sizes.dEnc,
    encoders,
    heads,
    parameters: [
      ...parameters.filter((parameter) => parameter.federated),
      ...parameters.filter((parameter) => !parameter.federated),
      ...stemParameters(encoders, sizes.dEnc),
      ...targetParameters(heads),
    ],
  };
}

/** Modalities of all sets; one name is one encoder, whichever sets use it. */
function collectModalities(data: SiteData, tokenDimension: number): Map<string, ModalityManifest> {
  const found = new Map<string, ModalityManifest>();
  for (const { manifest } of data.sets) {
    for (const [name, modality] of Object.entries(manifest.modalities)) {
      if (modality.kind === "text" && tokenDimension === 0) continue;
      const earlier = found.get(name);
      if (earlier !== undefined && !sameInput(earlier, modality)) {
        throw new FedKimError("DatasetError", `Two sets define the modality ${name} differently.`, {
          needed: "the same kind and channels, or another name",
        });
      }
      found.set(name, modality);
    }
  }
  return found;
}

/** The columns of a modality, which an encoder's features depend on; empty where it has none. */
export function channelsOf(modality: ModalityManifest): readonly string[] {
  return modality.kind === "timeseries" || modality.kind === "vector" ? modality.channels : [];
}

/**
 * True when two modalities can share an encoder: same kind and columns; file, field, size and rate may
 * differ.
 */
function sameInput(a: ModalityManifest, b: ModalityManifest): boolean {
  return a.kind === b.kind && channelsOf(a).join("\n") === channelsOf(b).join("\n");
}

function headOf(data: SiteData, name: string, modalities: ReadonlyMap<string, ModalityManifest>): HeadSpec {
  for (const set of data.sets) {
    const task = set.manifest.tasks.find((item) => item.name === name);
    if (task === undefined) continue;
    if (task.type === "open" || task.role !== "train") {
      throw new FedKimError("ConfigError", `The task ${name} cannot be trained by local models.`, {
        found: task.type === "open" ? "an open question" : "a task that must stay unseen",
        needed: "a task of role train with a closed answer",
      });
    }
    const read = task.modalities.filter((modality) => modalities.has(modality));
    if (read.length === 0) {
      throw new FedKimError("ConfigError", `The task ${name} reads only modalities that have no encoder.`, {
        found: task.modalities.join(", "),
        remedy: "give a token dimension, so that text is encoded",
      });
    }
    return { task: name, set: set.name, type: task.type, modalities: read, outputs: outputsOf(task) };
  }
  const known = data.sets.flatMap((set) => set.manifest.tasks.map((task) => task.name));
  throw new FedKimError("UnknownTask", `No public set defines the task ${name}.`, {
    needed: `one of ${known.join(", ")}`,
  });
}

function outputsOf(task: TaskManifest): number {
  return task.type === "multiclass" || task.type === "multilabel" ? task.classes?.length ?? 2 : 1;
}

function upperParameters(encoders: readonly EncoderSpec[], dEnc: number): ParameterSpec[] {
  return encoders.flatMap(({ modality, tokens, hidden, federated }) => [
    { name: `encoder.${modality}.down.weight`, shape: [tokens * dEnc, hidden], federated },
    { name: `encoder.${modality}.down.bias`, shape: [hidden], federated },
    { name: `encoder.${modality}.up.weight`, shape: [hidden, tokens * dEnc], federated },
  ]);
}

function headParameters(heads: readonly HeadSpec[], dEnc: number): ParameterSpec[] {
  return heads.flatMap(({ task, outputs }) => [
    { name: `head.${task}.weight`, shape: [dEnc, outputs], federated: true },
    { name: `head.${task}.bias`, shape: [outputs], federated: true },
  ]);
}

function stemParameters(encoders: readonly EncoderSpec[], dEnc: number): ParameterSpec[] {
  return encoders.flatMap(({ modality, views }) =>
    views.flatMap(({ name, features }) => [
      { name: `stem.${modality}.${name}.mean`, shape: [features], federated: false },
      { name: `stem.${modality}.${name}.scale`, shape: [features], federated: false },
      { name: `stem.${modality}.${name}.projection`, shape: [features, dEnc], federated: false },
      { name: `stem.${modality}.${name}.offset`, shape: [dEnc], federated: false },
    ])
  );
}

/** A regression is learned in units of the public labels' spread, around their mean. */
function targetParameters(heads: readonly HeadSpec[]): ParameterSpec[] {
  return heads.filter(({ type }) => type === "regression").flatMap(({ task }) => [
    { name: `target.${task}.mean`, shape: [1], federated: false },
    { name: `target.${task}.scale`, shape: [1], federated: false },
  ]);
}
