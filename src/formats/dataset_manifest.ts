import { z } from "zod";
import { FedKimError } from "./errors.ts";
import { SET_NAME, SET_NAME_RULE } from "./set_name.ts";

/** Hourly or otherwise regular measurements, inline in the record as [steps][channels]; null = missing. */
export interface TimeseriesModality {
  /** Discriminator. */
  readonly kind: "timeseries";
  /** Field of the record. */
  readonly field: string;
  /** Number of steps. */
  readonly steps: number;
  /** Length of a step in seconds. */
  readonly stepSeconds: number;
  /** Names of the columns. */
  readonly channels: readonly string[];
  /** Units of the columns, if stated. */
  readonly units?: readonly string[] | undefined;
}

/** One value per channel, inline in the record; null = missing. */
export interface VectorModality {
  /** Discriminator. */
  readonly kind: "vector";
  /** Field of the record. */
  readonly field: string;
  /** Names of the entries. */
  readonly channels: readonly string[];
  /** Units of the entries, if stated. */
  readonly units?: readonly string[] | undefined;
}

/** Free text, inline in the record; null = missing. */
export interface TextModality {
  /** Discriminator. */
  readonly kind: "text";
  /** Field of the record. */
  readonly field: string;
}

/** Grey images in a uint8 NPY array [N, H, W]; the record's field is the row, null = missing. */
export interface ImageModality {
  /** Discriminator. */
  readonly kind: "image";
  /** Field of the record: the row in the array. */
  readonly field: string;
  /** NPY file in the dataset's folder. */
  readonly array: string;
  /** Number of channels; 1 = grey. */
  readonly channels: number;
}

/** Waveforms in an int16 NPY array [N, T, leads]; the record's field is the row, null = missing. */
export interface SignalModality {
  /** Discriminator. */
  readonly kind: "signal";
  /** Field of the record: the row in the array. */
  readonly field: string;
  /** NPY file in the dataset's folder. */
  readonly array: string;
  /** Samples per second. */
  readonly sampleRateHz: number;
  /** Unit of a sample, for example uV. */
  readonly unit: string;
  /** Number of leads. */
  readonly leads: number;
}

/** How one modality is stored. */
export type ModalityManifest =
  | TimeseriesModality
  | VectorModality
  | TextModality
  | ImageModality
  | SignalModality;

/** The kinds of modalities. */
export type ModalityKind = ModalityManifest["kind"];

/** What a task's answer is. */
export type TaskType = "binary" | "multiclass" | "multilabel" | "regression" | "open";

/** One question that is asked about records. */
export interface TaskManifest {
  /** Unique name. */
  readonly name: string;
  /** What the answer is. */
  readonly type: TaskType;
  /** Path of the label in the record, for example `labels.shock`; null there = not labelled for this task. */
  readonly label: string;
  /** Question put to the language model; `{field}` is filled from the record. */
  readonly question: string;
  /** The paper's task text T. */
  readonly description: string;
  /** Modalities that the task reads. */
  readonly modalities: readonly string[];
  /** The paper's modality text M. */
  readonly modalityDescription: string;
  /** `unseen` tasks are never trained, anywhere. */
  readonly role: "train" | "unseen";
  /** Names of the classes (multiclass and multilabel). */
  readonly classes?: readonly string[] | undefined;
}

/** Who a privacy guarantee is stated for: the group of `patientField`, or the single record. */
export type PrivacyUnitName = "patient" | "image" | "record";

/** The manifest `dataset.json` of a folder in the format `fedkim-dataset/1`. */
export interface DatasetManifest {
  /** Format and version. */
  readonly format: "fedkim-dataset/1";
  /** Name of the set, the same at every site. */
  readonly name: string;
  /** File with one JSON object per line. */
  readonly records: string;
  /** Field that says who a record belongs to. */
  readonly patientField: string;
  /** Who the guarantee is stated for. */
  readonly privacyUnit: PrivacyUnitName;
  /** Licence of the data. */
  readonly licence: string;
  /** How to cite the data. */
  readonly citation: string;
  /** Modalities by name. */
  readonly modalities: Readonly<Record<string, ModalityManifest>>;
  /** Tasks. */
  readonly tasks: readonly TaskManifest[];
}

/** The manifest `federation.json` (`fedkim-federation/1`): folder names relative to it. */
export interface FederationManifest {
  /** Format and version. */
  readonly format: "fedkim-federation/1";
  /** Folders of the sites. */
  readonly sites: readonly string[];
  /** Folder of the server's public data. */
  readonly public: string;
  /** Folder of the common test data. */
  readonly test: string;
}

const name = z.string().min(1).max(200);
const names = z.array(name).min(1).max(100_000);
const count = z.number().int().min(1).max(1e9);
// A path that leaves the dataset's folder would let a manifest read any file of the site.
const fileName = name.refine((path) => !/(^|[\\/])\.\.([\\/]|$)|^[\\/]|^[A-Za-z]:/.test(path), {
  message: "must stay inside the folder",
});

const modality: z.ZodType<ModalityManifest> = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("timeseries"),
    field: name,
    steps: count,
    stepSeconds: z.number().positive(),
    channels: names,
    units: z.array(z.string()).optional(),
  }),
  z.object({
    kind: z.literal("vector"),
    field: name,
    channels: names,
    units: z.array(z.string()).optional(),
  }),
  z.object({ kind: z.literal("text"), field: name }),
  z.object({ kind: z.literal("image"), field: name, array: fileName, channels: count.default(1) }),
  z.object({
    kind: z.literal("signal"),
    field: name,
    array: fileName,
    sampleRateHz: z.number().positive().max(1e6),
    unit: z.string().default(""),
    leads: count.default(1),
  }),
]);

const task: z.ZodType<TaskManifest> = z.object({
  name,
  type: z.enum(["binary", "multiclass", "multilabel", "regression", "open"]),
  label: name,
  question: z.string().min(1),
  description: z.string().min(1),
  modalities: z.array(name).min(1),
  modalityDescription: z.string().min(1),
  role: z.enum(["train", "unseen"]),
  classes: z.array(name).min(2).optional(),
}).refine(
  (value) => (value.type !== "multiclass" && value.type !== "multilabel") || value.classes !== undefined,
  {
    message: "needs the names of its classes",
    path: ["classes"],
  },
);

const dataset: z.ZodType<DatasetManifest> = z.object({
  format: z.literal("fedkim-dataset/1"),
  name: z.string().regex(SET_NAME, { message: `a set's name needs ${SET_NAME_RULE}` }),
  records: fileName,
  patientField: name,
  privacyUnit: z.enum(["patient", "image", "record"]),
  licence: z.string().default("not stated"),
  citation: z.string().default("not stated"),
  modalities: z.record(name, modality),
  tasks: z.array(task),
}).superRefine((value, context) => {
  value.tasks.forEach((item, index) => {
    for (const wanted of item.modalities) {
      if (!Object.hasOwn(value.modalities, wanted)) {
        context.addIssue({
          code: "custom",
          path: ["tasks", index, "modalities"],
          message: `task ${item.name} reads the modality ${wanted}, which the manifest does not define`,
        });
      }
    }
  });
  if (new Set(value.tasks.map((item) => item.name)).size !== value.tasks.length) {
    context.addIssue({ code: "custom", path: ["tasks"], message: "two tasks have the same name" });
  }
});

const federation: z.ZodType<FederationManifest> = z.object({
  format: z.literal("fedkim-federation/1"),
  sites: z.array(fileName).min(1),
  public: fileName,
  test: fileName,
});

/**
 * Checks a dataset manifest.
 *
 * @param text the content of `dataset.json`
 * @param file its name, for messages
 * @throws FedKimError `DatasetError` naming the file and every wrong field
 */
export function parseDatasetManifest(text: string, file: string): DatasetManifest {
  return parse(dataset, text, file, "fedkim-dataset/1");
}

/**
 * Checks a federation manifest.
 *
 * @param text the content of `federation.json`
 * @param file its name, for messages
 * @throws FedKimError `DatasetError` naming the file and every wrong field
 */
export function parseFederationManifest(text: string, file: string): FederationManifest {
  return parse(federation, text, file, "fedkim-federation/1");
}

function parse<T>(schema: z.ZodType<T>, text: string, file: string, format: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new FedKimError("DatasetError", `${file} is not JSON.`, { needed: `a ${format} manifest`, cause });
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const found = result.error.issues.slice(0, 5).map((issue) => {
    return `${issue.path.map(String).join(".") || "the manifest"}: ${issue.message}`;
  });
  throw new FedKimError("DatasetError", `${file} is not a valid ${format} manifest.`, {
    found: found.join("; "),
    needed: `every field of ${format} with the right type`,
    remedy: "correct these fields, or write the folder again with `fedkim dataset import`",
  });
}
