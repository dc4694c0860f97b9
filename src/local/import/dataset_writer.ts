import { dirname, join } from "node:path";
import { type DatasetManifest, parseDatasetManifest } from "../../formats/dataset_manifest.ts";
import { FedKimError } from "../../formats/errors.ts";
import type { Label, ModalityValue } from "../dataset.ts";
import { type ImportReport, WarningList } from "./import_report.ts";
import { NpyAppender } from "./_npy_appender.ts";

/** A scalar that travels with a record, for example for the `{field}` of a question. */
export type Attribute = string | number | null;

/** One record on its way into a dataset folder. */
export interface ImportedRecord {
  /** Identifier, unique in the set. */
  readonly id: string;
  /** Who it belongs to. */
  readonly patient: string;
  /** Values by modality; absent or null = missing. */
  readonly values: Readonly<Record<string, ModalityValue | null>>;
  /** Labels by task; absent or null = not labelled. */
  readonly labels: Readonly<Record<string, Label | null>>;
  /** Further fields. */
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

const MANIFEST = "dataset.json";
const FLUSH_CHARACTERS = 1 << 20;

/**
 * Writes a folder in the format `fedkim-dataset/1` record by record. Everything goes to a folder beside the
 * target, which is renamed at the end: a failed import leaves nothing behind that looks like a dataset.
 */
export class DatasetWriter {
  /** Findings of this import. */
  readonly warnings: WarningList = new WarningList();
  readonly #dir: string;
  readonly #partial: string;
  readonly #manifest: DatasetManifest;
  readonly #records: Deno.FsFile;
  readonly #arrays: ReadonlyMap<string, NpyAppender>;
  readonly #ids = new Set<string>();
  readonly #patients = new Set<string>();
  #pending = "";

  private constructor(
    dir: string,
    partial: string,
    manifest: DatasetManifest,
    records: Deno.FsFile,
    arrays: ReadonlyMap<string, NpyAppender>,
  ) {
    this.#dir = dir;
    this.#partial = partial;
    this.#manifest = manifest;
    this.#records = records;
    this.#arrays = arrays;
  }

  /**
   * Begins a folder.
   *
   * @param dir the target, which must not exist yet
   * @param manifest the manifest; it is checked as a reader would
   * @throws FedKimError `DatasetError` when the target exists or the manifest is wrong
   */
  static async create(dir: string, manifest: DatasetManifest): Promise<DatasetWriter> {
    const checked = parseDatasetManifest(JSON.stringify(manifest), join(dir, MANIFEST));
    if (await Deno.lstat(dir).catch(() => undefined) !== undefined) {
      throw new FedKimError("DatasetError", `${dir} exists already.`, {
        needed: "a folder that the import can create",
        remedy: "name another folder, or remove this one if it is not needed",
      });
    }
    await Deno.mkdir(dirname(dir) || ".", { recursive: true });
    const partial = await Deno.makeTempDir({ dir: dirname(dir) || ".", prefix: ".importing-" });
    const arrays = new Map<string, NpyAppender>();
    for (const [name, modality] of Object.entries(checked.modalities)) {
      if (modality.kind !== "image" && modality.kind !== "signal") continue;
      const descr = modality.kind === "image" ? "|u1" : "<i2";
      arrays.set(name, await NpyAppender.create(join(partial, modality.array), descr));
    }
    const records = await Deno.open(join(partial, checked.records), { createNew: true, write: true });
    return new DatasetWriter(dir, partial, checked, records, arrays);
  }

  /** Records written so far. */
  get count(): number {
    return this.#ids.size;
  }

  /**
   * Appends a record.
   *
   * @param record values, labels and attributes by name
   * @throws FedKimError `DatasetError` when its identifier is empty or was used before
   */
  write(record: ImportedRecord): void {
    const { modalities, patientField, tasks } = this.#manifest;
    if (record.id === "" || record.patient === "" || this.#ids.has(record.id)) {
      const found = record.id === "" || record.patient === ""
        ? "an empty identifier"
        : `the record ${record.id} twice`;
      throw new FedKimError("DatasetError", `A record cannot be written to ${this.#dir}.`, {
        found,
        needed: "a patient and an identifier that is unique in the set",
        remedy: "choose another identifier column, or remove the duplicate rows",
      });
    }
    this.#ids.add(record.id);
    this.#patients.add(record.patient);
    const line: Record<string, unknown> = { ...record.attributes, id: record.id };
    line[patientField] = record.patient;
    for (const [name, modality] of Object.entries(modalities)) {
      line[modality.field] = this.#value(name, record.values[name] ?? null);
    }
    for (const task of tasks) setAtPath(line, task.label, record.labels[task.name] ?? null);
    this.#pending += `${JSON.stringify(line)}\n`;
    if (this.#pending.length > FLUSH_CHARACTERS) this.#flush();
  }

  #value(name: string, value: ModalityValue | null): unknown {
    if (value === null) return null;
    switch (value.kind) {
      case "text":
        return value.text;
      case "vector":
        return Array.from(value.data, inline);
      case "timeseries":
        return Array.from(
          { length: value.steps },
          (_, step) =>
            Array.from(value.data.subarray(step * value.channels, (step + 1) * value.channels), inline),
        );
      case "image":
        return this.#array(name).append([value.height, value.width], value.data);
      case "signal":
        return this.#array(name).append([value.samples, value.leads], value.data);
    }
  }

  #array(name: string): NpyAppender {
    const array = this.#arrays.get(name);
    if (array === undefined) throw new FedKimError("InternalError", `Modality ${name} has no array.`);
    return array;
  }

  #flush(): void {
    const bytes = new TextEncoder().encode(this.#pending);
    for (let at = 0; at < bytes.length;) at += this.#records.writeSync(bytes.subarray(at));
    this.#pending = "";
  }

  /**
   * Completes the folder and moves it to its place.
   *
   * @param source kind of the source, for `import.json`
   * @returns what was done
   * @throws FedKimError `DatasetError` when there is no record at all
   */
  async finish(source: string): Promise<ImportReport> {
    if (this.count === 0) {
      await this.abort();
      throw new FedKimError("DatasetError", `The import into ${this.#dir} gave no record.`, {
        found: this.warnings.list().map(({ code, count }) => `${code} ${count} times`).join(", ") ||
          "an empty source",
        needed: "at least one record",
        remedy: "check the source and the mapping",
      });
    }
    this.#flush();
    this.#records.close();
    for (const [name, array] of this.#arrays) {
      const modality = this.#manifest.modalities[name];
      array.finish(modality.kind === "signal" ? [0, modality.leads] : [0, 0]);
    }
    const report: ImportReport = {
      format: "fedkim-import-report/1",
      source,
      records: this.#ids.size,
      patients: this.#patients.size,
      warnings: this.warnings.list(),
    };
    await writeJson(join(this.#partial, MANIFEST), this.#manifest);
    await writeJson(join(this.#partial, "import.json"), report);
    await Deno.rename(this.#partial, this.#dir);
    await Deno.chmod(this.#dir, 0o750).catch(() => {});
    return report;
  }

  /** Gives the import up and removes what was written. */
  async abort(): Promise<void> {
    for (const array of this.#arrays.values()) array.abort();
    this.#records.close();
    await Deno.remove(this.#partial, { recursive: true });
  }
}

/**
 * Runs an import into a new folder: completes it when `fill` succeeds and removes it when `fill` throws.
 *
 * @param dir the target
 * @param manifest its manifest
 * @param source kind of the source
 * @param fill writes the records
 */
export async function writeDataset(
  dir: string,
  manifest: DatasetManifest,
  source: string,
  fill: (writer: DatasetWriter) => Promise<void>,
): Promise<ImportReport> {
  const writer = await DatasetWriter.create(dir, manifest);
  try {
    await fill(writer);
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return await writer.finish(source);
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await Deno.writeTextFile(path, `${JSON.stringify(value, null, 2)}\n`, { createNew: true });
}

/** The shortest decimal that reads back as the same float32; NaN = missing. */
function inline(value: number): number | null {
  if (Number.isNaN(value)) return null;
  for (const digits of [6, 7, 8]) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

function setAtPath(line: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split(".");
  let target = line;
  for (const key of keys.slice(0, -1)) {
    const next = target[key];
    target = (typeof next === "object" && next !== null ? next : (target[key] = {})) as typeof target;
  }
  target[keys[keys.length - 1]] = value;
}
