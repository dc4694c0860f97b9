import { join } from "node:path";
import type { DatasetManifest, ModalityManifest, TaskManifest } from "../../../formats/dataset_manifest.ts";
import type { Label, ModalityValue } from "../../dataset.ts";
import { readDatasetManifest, readRecords } from "../../dataset_reader.ts";
import { importReportSchema, type ImportWarningCode, WarningList } from "../import_report.ts";
import { warnOfPersons } from "./_identifiers.ts";
import { type Judgement, plausibility } from "./_plausibility.ts";
import { recordLines } from "./_record_lines.ts";
import { Summary } from "./_summary.ts";
import type {
  ChannelInspection,
  DatasetInspection,
  ModalityInspection,
  TaskInspection,
} from "./inspection.ts";

const BINS = 16;

/**
 * Checks a dataset folder completely and describes it: every record is read and validated, in constant memory apart
 * from the list of patients. The figures come from private records: they are for the site, not for release.
 *
 * @param dir a folder in the format `fedkim-dataset/1`
 * @returns counts, missingness, label balance, statistics and warnings
 * @throws FedKimError `DatasetError` naming file, line, record and field of the first wrong value
 */
export async function inspectDataset(dir: string): Promise<DatasetInspection> {
  const manifest = await readDatasetManifest(dir);
  const warnings = new WarningList();
  const modalities = Object.entries(manifest.modalities).map(([name, item]) =>
    new ModalityCounter(name, item)
  );
  const tasks = manifest.tasks.map((task) => new TaskCounter(task));
  const perPatient = new Map<string, number>();
  let records = 0;
  for await (const record of readRecords(dir, manifest)) {
    records++;
    perPatient.set(record.patient, (perPatient.get(record.patient) ?? 0) + 1);
    for (const modality of modalities) modality.add(record.values.get(modality.name) ?? null, warnings);
    for (const task of tasks) task.add(record.labels.get(task.name) ?? null);
  }
  if (records === 0) {
    warnings.add("no_record", "records", "the set is empty: it takes part with empty batches only");
  } else {
    await warnOfContents(dir, manifest, warnings);
    for (const modality of modalities) modality.judge(warnings);
    for (const task of tasks) task.judge(warnings);
  }
  await repeatImportWarnings(dir, warnings);
  const counts = [...perPatient.values()].sort((a, b) => a - b);
  return {
    name: manifest.name,
    dir,
    privacyUnit: manifest.privacyUnit,
    records,
    patients: perPatient.size,
    recordsPerPatient: [counts[0] ?? 0, counts[counts.length >> 1] ?? 0, counts[counts.length - 1] ?? 0],
    modalities: modalities.map((modality) => modality.result()),
    tasks: tasks.map((task) => task.result()),
    warnings: warnings.list(),
  };
}

async function warnOfContents(dir: string, manifest: DatasetManifest, warnings: WarningList): Promise<void> {
  const numbers = new Set(
    Object.values(manifest.modalities).filter(({ kind }) => kind !== "text").map(({ field }) => field),
  );
  for await (const record of recordLines(join(dir, manifest.records))) {
    warnOfPersons(record, manifest.patientField, numbers, warnings);
  }
}

/** Findings of the import that the folder itself cannot show any more. */
const LASTING: ReadonlySet<ImportWarningCode> = new Set([
  "burned_in_annotation",
  "burned_in_annotation_unknown",
  "patient_assumed",
  "unit_assumed",
  "record_skipped",
]);

async function repeatImportWarnings(dir: string, warnings: WarningList): Promise<void> {
  const text = await Deno.readTextFile(join(dir, "import.json")).catch(() => undefined);
  if (text === undefined) return;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const report = importReportSchema.safeParse(json);
  for (const { code, where, message, count } of report.data?.warnings ?? []) {
    if (LASTING.has(code)) warnings.add(code, where, message, count);
  }
}

/** Counts one modality. */
class ModalityCounter {
  readonly name: string;
  readonly #manifest: ModalityManifest;
  readonly #channels: readonly {
    readonly name: string;
    readonly unit: string | undefined;
    readonly summary: Summary;
    readonly judgement: Judgement | undefined;
  }[];
  #present = 0;
  #missing = 0;
  #shape: readonly number[] | undefined;

  constructor(name: string, manifest: ModalityManifest) {
    this.name = name;
    this.#manifest = manifest;
    this.#channels = channelsOf(manifest).map(([channel, unit]) => ({
      name: channel,
      unit,
      summary: new Summary(),
      judgement: plausibility(channel, unit),
    }));
  }

  add(value: ModalityValue | null, warnings: WarningList): void {
    if (value === null) {
      this.#missing++;
      return;
    }
    this.#present++;
    switch (value.kind) {
      case "vector":
      case "timeseries":
        value.data.forEach((number, i) => this.#number(i % this.#channels.length, number, warnings));
        return;
      case "text":
        this.#channels[0].summary.add(value.text.length);
        return;
      case "image":
        this.#shape = [value.height, value.width];
        this.#plane(value.data, 0, 1, warnings);
        return;
      case "signal":
        this.#shape = [value.samples, value.leads];
        for (let lead = 0; lead < value.leads; lead++) this.#plane(value.data, lead, value.leads, warnings);
        return;
    }
  }

  #number(channel: number, value: number, warnings: WarningList): void {
    const { name, summary, judgement } = this.#channels[channel];
    summary.add(value);
    const hard = judgement?.hard;
    if (hard !== undefined && (value < hard[0] || value > hard[1])) {
      const message = `values outside ${hard[0]} to ${hard[1]} are impossible in this unit`;
      warnings.add("value_out_of_range", `${this.name}.${name}`, message);
    }
  }

  /** Adds the mean of an image or a lead, and warns when nothing is on it. */
  #plane(data: Uint8Array | Int16Array, offset: number, stride: number, warnings: WarningList): void {
    let sum = 0;
    let constant = true;
    for (let i = offset; i < data.length; i += stride) {
      sum += data[i];
      constant &&= data[i] === data[offset];
    }
    const { name, summary } = this.#channels[offset];
    summary.add(sum * stride / data.length);
    if (constant) {
      warnings.add("constant_channel", `${this.name}.${name}`, "images or leads without any content");
    }
  }

  judge(warnings: WarningList): void {
    if (this.#present === 0) {
      warnings.add("all_missing", this.name, "no record has this modality: the site trains without it");
      return;
    }
    for (const { name, summary, judgement } of this.#channels) {
      const where = `${this.name}.${name}`;
      if (summary.count === 0) {
        warnings.add("all_missing", where, "no record has a value");
        continue;
      }
      if (summary.min === summary.max && summary.count > 1 && this.#manifest.kind !== "text") {
        warnings.add("constant_channel", where, "every value is the same");
      }
      const sentence = judgement?.judge(summary.quantile(0.5));
      if (sentence !== undefined) warnings.add("unit_suspicious", where, sentence);
    }
  }

  result(): ModalityInspection {
    return {
      name: this.name,
      kind: this.#manifest.kind,
      present: this.#present,
      missing: this.#missing,
      ...(this.#shape === undefined ? {} : { shape: this.#shape }),
      channels: this.#channels.map(({ name, unit, summary }) => describe(name, unit, summary)),
    };
  }
}

function channelsOf(manifest: ModalityManifest): (readonly [string, string | undefined])[] {
  switch (manifest.kind) {
    case "vector":
    case "timeseries":
      return manifest.channels.map((channel, index) => [channel, manifest.units?.[index]] as const);
    case "text":
      return [["length", "characters"]];
    case "image":
      return [["mean grey", "0-255"]];
    case "signal":
      return Array.from(
        { length: manifest.leads },
        (_, lead) => [`lead ${lead + 1} mean`, manifest.unit] as const,
      );
  }
}

function describe(name: string, unit: string | undefined, summary: Summary): ChannelInspection {
  const total = summary.count + summary.missing;
  const common = { name, unit, count: summary.count, missing: total === 0 ? 1 : summary.missing / total };
  if (summary.count === 0) return common;
  const range = [summary.quantile(0.05), summary.quantile(0.95)] as const;
  return {
    ...common,
    mean: summary.mean,
    min: summary.min,
    median: summary.quantile(0.5),
    max: summary.max,
    range,
    histogram: summary.histogram(range[0], range[1], BINS),
  };
}

/** Counts one task. */
class TaskCounter {
  readonly name: string;
  readonly #task: TaskManifest;
  #labelled = 0;
  readonly #balance: Record<string, number>;

  constructor(task: TaskManifest) {
    this.name = task.name;
    this.#task = task;
    const classes = task.type === "binary" ? ["0", "1"] : task.classes ?? [];
    this.#balance = Object.fromEntries(classes.map((name) => [name, 0]));
  }

  add(label: Label | null): void {
    if (label === null) return;
    this.#labelled++;
    const classes = Object.keys(this.#balance);
    if (typeof label === "object") {
      label.forEach((value, index) => this.#balance[classes[index]] += value);
    } else if (typeof label === "number" && classes.length > 0) {
      const name = this.#task.type === "binary" ? String(label) : (this.#task.classes ?? [])[label];
      this.#balance[name]++;
    }
  }

  judge(warnings: WarningList): void {
    const counts = Object.values(this.#balance);
    if (this.#labelled === 0) {
      warnings.add("no_label", this.name, "no record is labelled: the site takes no part in this task");
    } else if (counts.length > 0 && counts.filter((count) => count > 0).length < 2) {
      warnings.add("one_class", this.name, "all labels are equal: ranking metrics are undefined here");
    }
  }

  result(): TaskInspection {
    const { type, role } = this.#task;
    return { name: this.name, type, role, labelled: this.#labelled, balance: this.#balance };
  }
}
