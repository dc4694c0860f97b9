import { z } from "zod";
import type {
  DatasetManifest,
  ModalityManifest,
  PrivacyUnitName,
  TaskManifest,
} from "../../formats/dataset_manifest.ts";
import { FedKimError } from "../../formats/errors.ts";
import { SET_NAME, SET_NAME_RULE } from "../../formats/set_name.ts";

/** What every import states about the set as a whole. */
export interface SetOptions {
  /** Name of the set, the same at every site. */
  readonly name: string;
  /** Licence of the data, or the agreement they are used under. */
  readonly licence: string;
  /** How to cite the data. */
  readonly citation: string;
  /** Who the guarantee is stated for; there is no default. */
  readonly privacyUnit: PrivacyUnitName;
  /** Field that says who a record belongs to. */
  readonly patientField: string;
}

/** What a mapping says about a task apart from where its label comes from. */
export interface TaskText {
  /** Unique name; the label is written to `labels.NAME`. */
  readonly name: string;
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
}

/** Fields of {@link SetOptions} for a mapping's schema. */
export const setShape = {
  name: z.string().regex(SET_NAME, { message: `a set's name needs ${SET_NAME_RULE}` }),
  licence: z.string().min(1),
  citation: z.string().default("not stated"),
  privacyUnit: z.enum(["patient", "image", "record"]),
  patientField: z.string().min(1).default("patient"),
} as const satisfies z.ZodRawShape;

/** Fields of {@link TaskText} for a mapping's schema. */
export const taskShape = {
  name: z.string().regex(/^[A-Za-z0-9_-]{1,100}$/),
  question: z.string().min(1),
  description: z.string().min(1),
  modalities: z.array(z.string().min(1)).min(1),
  modalityDescription: z.string().min(1),
  role: z.enum(["train", "unseen"]).default("train"),
} as const satisfies z.ZodRawShape;

/**
 * The manifest of the set that an import writes.
 *
 * @param set what is stated about the set
 * @param modalities modalities by name
 * @param tasks tasks
 */
export function manifestOf(
  set: SetOptions,
  modalities: Readonly<Record<string, ModalityManifest>>,
  tasks: readonly TaskManifest[],
): DatasetManifest {
  const { name, licence, citation, privacyUnit, patientField } = set;
  return {
    format: "fedkim-dataset/1",
    name,
    records: "records.jsonl",
    patientField,
    privacyUnit,
    licence,
    citation,
    modalities,
    tasks,
  };
}

/**
 * A task of the manifest.
 *
 * @param text what the mapping says
 * @param type what the answer is
 * @param classes names of the classes of multiclass and multilabel tasks
 */
export function taskOf(
  text: TaskText,
  type: TaskManifest["type"],
  classes?: readonly string[],
): TaskManifest {
  const { name, question, description, modalities, modalityDescription, role } = text;
  return {
    name,
    type,
    label: `labels.${name}`,
    question,
    description,
    modalities,
    modalityDescription,
    role,
    ...(classes === undefined ? {} : { classes }),
  };
}

/**
 * Checks a mapping that a user wrote.
 *
 * @param schema the mapping's schema
 * @param value the parsed JSON or TOML
 * @param what what it is, for messages
 * @throws FedKimError `ConfigError` naming every wrong field
 */
export function checkMapping<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const found = result.error.issues.slice(0, 8).map((issue) =>
    `${issue.path.map(String).join(".") || "the mapping"}: ${issue.message}`
  );
  throw new FedKimError("ConfigError", `The ${what} is wrong.`, {
    found: found.join("; "),
    needed: "the fields of docs/dataset_import.md",
  });
}
