import {
  encodeRecords,
  type LocalModelSpec,
  type LocalWeights,
  type SetFeatures,
  type SiteData,
  type SiteFeatures,
  type SiteSet,
  stemInput,
  taskScores,
} from "../local/mod.ts";
import type { InjectedModel, InjectionSample, TaskText } from "../m3oe/mod.ts";
import type { TaskManifest } from "../formats/dataset_manifest.ts";

/** The texts of a task that gate and prompt need. Open answers are generated, all others are yes or no. */
export function taskText(task: TaskManifest): TaskText {
  return {
    name: task.name,
    description: task.description,
    modalityDescription: task.modalityDescription,
    type: task.type === "open" ? "open" : "binary",
  };
}

/**
 * The tasks that an injection can answer: the trained ones, and unseen ones that read trained modalities only (text
 * needs no projector).
 * @param data any part of a federation, for its manifests
 * @param spec the local model, whose heads name the trained tasks and what they read
 */
export function answerableTasks(data: SiteData, spec: LocalModelSpec): TaskManifest[] {
  const trained = new Set(spec.heads.map((head) => head.task));
  const projected = new Set(spec.heads.flatMap((head) => head.modalities));
  return data.sets.flatMap(({ manifest }) =>
    manifest.tasks.filter((task) =>
      trained.has(task.name) || (task.role === "unseen" &&
        task.modalities.every((name) => manifest.modalities[name].kind === "text" || projected.has(name)))
    )
  );
}

/** Samples of one task, and where each comes from. */
export interface TaskSamples {
  /** The samples. */
  readonly samples: readonly InjectionSample[];
  /** Identifier of the record behind each sample. */
  readonly ids: readonly string[];
  /** Privacy unit of the record behind each sample: records of one unit are not independent. */
  readonly units: readonly string[];
}

/**
 * Turns records into samples for the foundation model: encoder tokens for each modality of the task (paper, step 1),
 * text modalities as text, and the label. Records without any of the task's modalities are left out, and with `only`
 * those without a label.
 * @param spec the local model
 * @param weights the aggregated encoders
 * @param features cached stem features of the records
 * @param set the set whose records are turned into samples
 * @param task one of its tasks
 * @param encoded what was encoded already
 * @param only which records, and whether the task's local head teaches
 * @param form what stands for a modality
 */
async function samplesOf(
  spec: LocalModelSpec,
  weights: LocalWeights,
  features: SiteFeatures,
  set: SiteSet,
  task: TaskManifest,
  encoded: EncoderCache,
  only: SampleChoice | undefined,
  form: TokenForm,
): Promise<TaskSamples> {
  const textual = new Set(
    task.modalities.filter((modality) => set.manifest.modalities[modality].kind === "text"),
  );
  const encoders = task.modalities.filter((modality) => !textual.has(modality));
  const tokens = await Promise.all(
    encoders.map((modality) =>
      encoded.get(
        set.name,
        modality,
        () => modalityRows(spec, weights, features.sets.get(set.name)!, modality, form),
      )
    ),
  );
  const taught = only === "taught" && textual.size === 0
    ? await teachers(spec, weights, features, set, task)
    : new Map<number, number>();
  const note = [...textual].find((modality) => !task.question.includes(`{${modality}}`));
  const samples: InjectionSample[] = [];
  const ids: string[] = [];
  const units: string[] = [];
  set.records.forEach((record, row) => {
    const label = record.labels.get(task.name);
    if (only !== undefined && (label === null || label === undefined)) return;
    if (encoders.length > 0 && tokens.every((modality) => modality.present[row] === 0)) return;
    const text = note === undefined ? undefined : record.values.get(note);
    const teacher = taught.get(row);
    ids.push(record.id);
    units.push(set.units[row]);
    samples.push({
      task: task.name,
      modalities: tokens.map((modality, i) => ({
        modality: encoders[i],
        count: modality.tokens,
        tokens: modality.rowOf(row),
      })),
      question: record.questions.get(task.name) ?? task.question,
      label: task.type === "open" ? String(label ?? "") : Number(label) > 0 ? 1 : 0,
      ...(text?.kind === "text" ? { text: text.text } : {}),
      ...(teacher === undefined ? {} : { teacher }),
    });
  });
  return { samples, ids, units };
}

/**
 * Probability of yes that the federated head gives each labelled record, by row: what the sites taught beside the
 * encoders. A head that also reads text teaches nothing here, for the foundation model reads the text itself.
 */
async function teachers(
  spec: LocalModelSpec,
  weights: LocalWeights,
  features: SiteFeatures,
  set: SiteSet,
  task: TaskManifest,
): Promise<Map<number, number>> {
  if (!spec.heads.some((head) => head.task === task.name && head.type === "binary")) return new Map();
  const { scores, records } = await taskScores(spec, weights, features.sets.get(set.name)!, task.name);
  return new Map(Array.from(records, (row, index) => [row, 1 / (1 + Math.exp(-scores[index]))]));
}

/** Encodes each modality of each set once, however many tasks read it. */
class EncoderCache {
  #cache = new Map<string, Promise<ModalityRows>>();

  /** The encoded modality, made by `make` at the first call. */
  get(set: string, modality: string, make: () => Promise<ModalityRows>): Promise<ModalityRows> {
    const key = `${set}/${modality}`;
    const known = this.#cache.get(key);
    if (known !== undefined) return known;
    const fresh = make();
    this.#cache.set(key, fresh);
    return fresh;
  }
}

/**
 * Which records become samples: those that have a label, or those with what the task's federated head answers as a
 * teacher beside the label (knowledge distillation: our addition, the paper plugs in encoders alone).
 */
export type SampleChoice = "labelled" | "taught";

/**
 * What stands for a modality in a sample: the encoder's tokens, or for encoders that are trained with the injection
 * their input, see `tokenEncoders`.
 */
export type TokenForm = "tokens" | "stems";

/** What an injected model reads: stems where it holds encoders that were trained with it, tokens otherwise. */
export function tokenFormOf({ parameters }: InjectedModel): TokenForm {
  return parameters.encoders.size > 0 ? "stems" : "tokens";
}

/** All samples of the given tasks, by task name; with `only` those that have a label, otherwise none is looked at. */
export async function allSamples(
  spec: LocalModelSpec,
  weights: LocalWeights,
  data: SiteData,
  features: SiteFeatures,
  tasks: readonly TaskManifest[],
  only?: SampleChoice,
  form: TokenForm = "tokens",
): Promise<Map<string, TaskSamples>> {
  const cache = new EncoderCache();
  const samples = new Map<string, TaskSamples>();
  for (const set of data.sets) {
    for (const task of set.manifest.tasks.filter((candidate) => tasks.includes(candidate))) {
      samples.set(task.name, await samplesOf(spec, weights, features, set, task, cache, only, form));
    }
  }
  return samples;
}

/** One modality of all records of a set. */
interface ModalityRows {
  /** Tokens per record. */
  readonly tokens: number;
  /** 1 where the record has the modality. */
  readonly present: Uint8Array;
  /** What stands for it in the sample of a record. */
  readonly rowOf: (row: number) => Float32Array;
}

async function modalityRows(
  spec: LocalModelSpec,
  weights: LocalWeights,
  features: SetFeatures,
  modality: string,
  form: TokenForm,
): Promise<ModalityRows> {
  if (form === "stems") {
    const encoder = spec.encoders.find((candidate) => candidate.modality === modality)!;
    const { present } = features.tokens.get(modality)!;
    return { tokens: encoder.tokens, present, rowOf: (row) => stemInput(spec, encoder, features, row) };
  }
  const { tokens, dEnc, data, present } = await encodeRecords(spec, weights, features, modality);
  const size = tokens * dEnc;
  return { tokens, present, rowOf: (row) => data.subarray(row * size, (row + 1) * size) };
}
