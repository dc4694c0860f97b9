import type { DatasetManifest, ModalityManifest, TaskManifest } from "../formats/dataset_manifest.ts";
import { FedKimError } from "../formats/errors.ts";
import type { DatasetRecord, Label, ModalityValue } from "./dataset.ts";
import type { NpyRows } from "./_npy_rows.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Where a record stands, for messages that name file, record and field and never a value. */
export interface RecordPlace {
  /** The file. */
  readonly file: string;
  /** 1-based line. */
  readonly line: number;
}

/** Turns one line of `records.jsonl` into a record; fields that are `wanted` besides become its attributes. */
export function parseRecord(
  text: string,
  manifest: DatasetManifest,
  arrays: ReadonlyMap<string, NpyRows>,
  place: RecordPlace,
  wanted: readonly string[] = [],
): DatasetRecord {
  const fields = parseObject(text, place);
  const id = identifier(fields, "id", place);
  const fail = (field: string, found: string, needed: string): FedKimError =>
    wrong(`${place.file}, line ${place.line}, record ${id}, field ${field}`, found, needed);
  const patient = identifier(fields, manifest.patientField, place);
  const values = new Map<string, ModalityValue | null>();
  for (const [name, modality] of Object.entries(manifest.modalities)) {
    const raw = fields[modality.field];
    values.set(
      name,
      raw === null || raw === undefined ? null : parseValue(raw, modality, arrays.get(name), fail),
    );
  }
  const labels = new Map<string, Label | null>();
  const questions = new Map<string, string>();
  for (const task of manifest.tasks) {
    labels.set(task.name, parseLabel(atPath(fields, task.label), task, fail));
    questions.set(task.name, fillIn(task.question, fields));
  }
  if (wanted.length === 0) return { id, patient, values, labels, questions };
  const attributes = new Map(wanted.map((path) => [path, attribute(atPath(fields, path))]));
  return { id, patient, values, labels, questions, attributes };
}

/** What groups are told apart by; anything but a text or a number counts as not stated. */
function attribute(value: unknown): string | number | null {
  return typeof value === "string" || typeof value === "number" ? value : null;
}

type Fail = (field: string, found: string, needed: string) => FedKimError;

function parseObject(text: string, place: RecordPlace): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(
      `${place.file}, line ${place.line}`,
      "a line that is no JSON object",
      "one JSON object per line",
    );
  }
  return value as Fields;
}

function identifier(fields: Fields, field: string, place: RecordPlace): string {
  const value = fields[field];
  if ((typeof value === "string" && value !== "") || typeof value === "number") return String(value);
  const found = value === undefined ? "no such field" : typeof value;
  throw wrong(`${place.file}, line ${place.line}, field ${field}`, found, "a non-empty identifier");
}

function parseValue(
  raw: unknown,
  modality: ModalityManifest,
  rows: NpyRows | undefined,
  fail: Fail,
): ModalityValue {
  const { field } = modality;
  switch (modality.kind) {
    case "text":
      if (typeof raw !== "string") throw fail(field, typeof raw, "a text or null");
      return { kind: "text", text: raw };
    case "vector":
      return { kind: "vector", data: numbers(raw, modality.channels.length, field, fail) };
    case "timeseries": {
      const { steps, channels } = modality;
      if (!Array.isArray(raw) || raw.length !== steps) {
        throw fail(
          field,
          Array.isArray(raw) ? `${raw.length} steps` : typeof raw,
          `an array of ${steps} steps`,
        );
      }
      const data = new Float32Array(steps * channels.length);
      raw.forEach((row, step) =>
        data.set(numbers(row, channels.length, `${field}[${step}]`, fail), step * channels.length)
      );
      return { kind: "timeseries", steps, channels: channels.length, data };
    }
    case "image": {
      const data = arrayRow(raw, field, rows, fail);
      if (!(data instanceof Uint8Array)) throw fail(field, "another element type", "a uint8 array");
      const [, height, width] = rows?.shape ?? [];
      return { kind: "image", height, width, data };
    }
    case "signal": {
      const data = arrayRow(raw, field, rows, fail);
      if (!(data instanceof Int16Array)) throw fail(field, "another element type", "an int16 array");
      const [, samples, leads] = rows?.shape ?? [];
      return { kind: "signal", samples, leads, sampleRateHz: modality.sampleRateHz, data };
    }
  }
}

function arrayRow(
  raw: unknown,
  field: string,
  rows: NpyRows | undefined,
  fail: Fail,
): ReturnType<NpyRows["row"]> {
  const count = rows?.shape[0] ?? 0;
  if (rows === undefined || typeof raw !== "number" || !Number.isInteger(raw) || raw < 0 || raw >= count) {
    throw fail(field, typeof raw === "number" ? `row ${raw}` : typeof raw, `a row from 0 to ${count - 1}`);
  }
  return rows.row(raw);
}

function numbers(raw: unknown, length: number, field: string, fail: Fail): Float32Array {
  if (!Array.isArray(raw) || raw.length !== length) {
    throw fail(
      field,
      Array.isArray(raw) ? `${raw.length} entries` : typeof raw,
      `an array of ${length} numbers or nulls`,
    );
  }
  return Float32Array.from(raw, (value, index) => {
    if (value === null) return NaN;
    const single = typeof value === "number" ? Math.fround(value) : NaN;
    if (!Number.isFinite(single)) {
      throw fail(`${field}[${index}]`, "no finite number", "a finite number or null");
    }
    return single;
  });
}

function parseLabel(raw: unknown, task: TaskManifest, fail: Fail): Label | null {
  if (raw === null || raw === undefined) return null;
  const classes = task.classes ?? [];
  switch (task.type) {
    case "binary":
      if (raw === 0 || raw === 1 || typeof raw === "boolean") return Number(raw);
      throw fail(task.label, typeof raw, "0, 1 or null");
    case "multiclass": {
      const index = typeof raw === "string" ? classes.indexOf(raw) : raw;
      if (typeof index === "number" && Number.isInteger(index) && index >= 0 && index < classes.length) {
        return index;
      }
      throw fail(task.label, typeof raw, `a class name or an index below ${classes.length}`);
    }
    case "multilabel":
      if (
        Array.isArray(raw) && raw.length === classes.length && raw.every((item) => item === 0 || item === 1)
      ) {
        return raw as number[];
      }
      throw fail(task.label, typeof raw, `an array of ${classes.length} zeros and ones`);
    case "regression":
      if (typeof raw === "number" && Number.isFinite(raw)) return raw;
      throw fail(task.label, typeof raw, "a finite number or null");
    case "open":
      if (typeof raw === "string" || typeof raw === "number") return String(raw);
      throw fail(task.label, typeof raw, "a text or null");
  }
}

function atPath(fields: Fields, path: string): unknown {
  let value: unknown = fields;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Fields)[key];
  }
  return value;
}

function fillIn(template: string, fields: Fields): string {
  return template.replace(/\{([A-Za-z0-9_.]+)\}/g, (_, path: string) => {
    const value = atPath(fields, path);
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
  });
}

function wrong(where: string, found: string, needed: string): FedKimError {
  return new FedKimError("DatasetError", `${where} is not what the manifest says.`, {
    found,
    needed,
    remedy: "correct this field or the manifest, then run `fedkim dataset inspect` on the folder",
  });
}
