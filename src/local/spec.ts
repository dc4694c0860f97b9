import type { ModalityKind, ModalityManifest, TaskManifest, TaskType } from "../formats/dataset_manifest.ts";
import { FedKimError } from "../formats/errors.ts";
import { answersOf } from "./_open_answers.ts";
import { parameterList } from "./_parameter_list.ts";
import { sequenceShape } from "./_sequence_front_end.ts";
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
  /** Kinds of modalities whose encoders attend over patches; the others read whitened components. */
  readonly attention: Readonly<Partial<Record<ModalityKind, Partial<AttentionOptions>>>>;
  /**
   * Which parameters sites train and share: names, where `*` stands for any characters. The others keep what
   * public pre-training gave them. `["head.*"]` shares heads only, `["*.bias", "*.shift", "head.*"]` is
   * bias-only tuning (Bu et al. 2022).
   */
  readonly federate: readonly string[];
}

/** Sizes of an encoder that attends over patches. */
export interface AttentionOptions {
  /** Largest number of tokens T: windows of time, patches of an image, pieces of a text. */
  readonly tokens: number;
  /** Transformer blocks, at most {@link MAX_ATTENTION_BLOCKS}. */
  readonly blocks: number;
  /** Attention heads; divides `dEnc`. */
  readonly heads: number;
  /** Hidden units of each block's feed-forward layer. */
  readonly hidden: number;
}

/** Most transformer blocks of an encoder: deeper than anything that can be trained under noise. */
export const MAX_ATTENTION_BLOCKS = 64;

/**
 * Default sizes of an attention encoder: about 8,000 parameters with dEnc = 32, which is what a private
 * federation can afford.
 */
export const DEFAULT_ATTENTION: AttentionOptions = { tokens: 16, blocks: 1, heads: 2, hidden: 32 };

/**
 * Default sizes, chosen on a by-patient validation split of `public/`: 8 hidden units learn as much under
 * noise as 16 or 32 do, because the norm of the noise grows with the square root of the number of parameters.
 */
export const DEFAULT_MODEL_OPTIONS: LocalModelOptions = {
  dEnc: 32,
  hidden: 8,
  tokenDimension: 0,
  attention: {},
  federate: ["encoder.*", "head.*"],
};

/**
 * One modality's encoder. Without `attention`: a frozen stem (one token per view) and a residual upper layer.
 * With it: patches, a learned projection, positions and transformer blocks.
 */
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
  /** Hidden units of the upper layer, or of each block. */
  readonly hidden: number;
  /** Shape of the transformer, for an encoder that attends over patches. */
  readonly attention?: { readonly blocks: number; readonly heads: number };
  /** True when a trained task reads it, so that its layers are trained. */
  readonly federated: boolean;
}

/**
 * One task's linear head on the mean of its modalities' tokens. An open task is answered from the list of
 * answers that public records give: the constrained form of a free answer.
 */
export interface HeadSpec {
  /** Name of the task. */
  readonly task: string;
  /** The set whose records carry its labels. */
  readonly set: string;
  /** What the answer is, which decides the loss. */
  readonly type: TaskType;
  /**
   * What the outputs stand for: classes, or the answers that an open task can give; absent for one output.
   */
  readonly answers?: readonly string[];
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
    const base = {
      modality,
      kind: manifest.kind,
      channels: channelsOf(manifest),
      federated: heads.some((head) => head.modalities.includes(modality)),
    };
    const wanted = sizes.attention[manifest.kind];
    if (wanted === undefined) {
      const views = viewsOf(manifest, sizes.tokenDimension);
      return { ...base, views, tokens: views.length, hidden: sizes.hidden };
    }
    const { blocks, heads: attentionHeads, hidden, tokens } = checkAttention(wanted, sizes.dEnc);
    const shape = sequenceShape(manifest, sizes.tokenDimension, tokens);
    return {
      ...base,
      views: [{ name: "sequence", features: shape.features }],
      tokens: shape.tokens,
      hidden,
      attention: { blocks, heads: attentionHeads },
    };
  });
  const { dEnc } = sizes;
  const parameters = parameterList(encoders, heads, dEnc, sizes.federate);
  return { format: "fedkim-local-model/1", dEnc, encoders, heads, parameters };
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
    if (task.role !== "train") {
      throw new FedKimError("ConfigError", `The task ${name} cannot be trained.`, {
        found: "a task that must stay unseen",
        needed: "a task of role train",
      });
    }
    const read = task.modalities.filter((modality) => modalities.has(modality));
    if (read.length === 0) {
      throw new FedKimError("ConfigError", `The task ${name} reads only modalities that have no encoder.`, {
        found: task.modalities.join(", "),
        remedy: "give a token dimension, so that text is encoded",
      });
    }
    const answers = task.type === "open" ? answersOf(set, name) : classesOf(task);
    const head = { task: name, set: set.name, type: task.type, modalities: read };
    return answers === undefined ? { ...head, outputs: 1 } : { ...head, answers, outputs: answers.length };
  }
  const known = data.sets.flatMap((set) => set.manifest.tasks.map((task) => task.name));
  throw new FedKimError("UnknownTask", `No public set defines the task ${name}.`, {
    needed: `one of ${known.join(", ")}`,
  });
}

function classesOf(task: TaskManifest): readonly string[] | undefined {
  return task.type === "multiclass" || task.type === "multilabel" ? task.classes : undefined;
}

function checkAttention(wanted: Partial<AttentionOptions>, dEnc: number): AttentionOptions {
  const sizes = { ...DEFAULT_ATTENTION, ...wanted };
  const whole = Object.values(sizes).every((size) => Number.isInteger(size) && size > 0);
  if (whole && dEnc % sizes.heads === 0 && sizes.blocks <= MAX_ATTENTION_BLOCKS) return sizes;
  throw new FedKimError("ConfigError", "An attention encoder cannot have these sizes.", {
    found: `${JSON.stringify(sizes)} with dEnc ${dEnc}`,
    needed:
      `positive whole numbers, a number of heads that divides dEnc, and at most ${MAX_ATTENTION_BLOCKS} blocks`,
  });
}
