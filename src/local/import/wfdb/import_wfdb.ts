import { basename, dirname } from "node:path";
import { z } from "zod";
import { type DatasetWriter, writeDataset } from "../dataset_writer.ts";
import type { ImportReport } from "../import_report.ts";
import { type ImportLimits, importLimits } from "../limits.ts";
import { pseudonymiser } from "../pseudonyms.ts";
import {
  checkMapping,
  manifestOf,
  type SetOptions,
  setShape,
  taskOf,
  taskShape,
  type TaskText,
} from "../set_options.ts";
import { signalWindow } from "../signal_window.ts";
import { badFile } from "../source_errors.ts";
import { listSources, readWhole } from "../source_files.ts";
import { requireConversion } from "../units.ts";
import { parseWfdbAnnotations, type WfdbAnnotation } from "./wfdb_annotations.ts";
import { parseWfdbHeader, type WfdbHeader, type WfdbSignal } from "./wfdb_header.ts";
import { WfdbSamples } from "./wfdb_samples.ts";

/** A label that is derived from the annotations of a window. */
export interface WfdbTask extends TaskText {
  /** Positive when the window has at least `atLeast` beats with one of these mnemonics. */
  readonly beats?: { readonly symbols: readonly string[]; readonly atLeast: number } | undefined;
  /** Positive when at least this part of the window lies in one of these rhythms, for example `AFIB`. */
  readonly rhythms?: { readonly names: readonly string[]; readonly fraction: number } | undefined;
}

/** `fedkim-import-wfdb/1`: how WFDB records become windows of a dataset. */
export interface WfdbMapping extends SetOptions {
  /** Format and version. */
  readonly format: "fedkim-import-wfdb/1";
  /** Name of the signal modality. */
  readonly modality: string;
  /** One entry per lead: the names under which it may stand in a header, in order of preference. */
  readonly leads: readonly (readonly string[])[];
  /** Length of a window. */
  readonly windowSeconds: number;
  /** Samples per second of the dataset. */
  readonly sampleRateHz: number;
  /** Unit of the dataset. */
  readonly unit: string;
  /** Suffix of the annotation files. */
  readonly annotator: string;
  /** Patients by record name; a record that is not listed is taken for a patient of its own. */
  readonly patients: Readonly<Record<string, string>>;
  /** Tasks. */
  readonly tasks: readonly WfdbTask[];
}

const task: z.ZodType<WfdbTask> = z.strictObject({
  ...taskShape,
  beats: z.strictObject({
    symbols: z.array(z.string().min(1)).min(1),
    atLeast: z.number().int().min(1).default(1),
  }).optional(),
  rhythms: z.strictObject({
    names: z.array(z.string().min(1)).min(1),
    fraction: z.number().gt(0).max(1).default(0.5),
  }).optional(),
}).refine((value) => (value.beats === undefined) !== (value.rhythms === undefined), {
  message: "needs either beats or rhythms",
});

const mapping: z.ZodType<WfdbMapping> = z.strictObject({
  format: z.literal("fedkim-import-wfdb/1"),
  ...setShape,
  modality: z.string().min(1).default("ecg"),
  leads: z.array(z.array(z.string().min(1)).min(1)).min(1),
  windowSeconds: z.number().positive().max(3600),
  sampleRateHz: z.number().positive().max(1e5),
  unit: z.string().default("uV"),
  annotator: z.string().regex(/^[A-Za-z0-9]{1,16}$/).default("atr"),
  patients: z.record(z.string(), z.string().min(1)).default({}),
  tasks: z.array(task).default([]),
});

/**
 * Checks a mapping of WFDB records.
 *
 * @param value the parsed JSON or TOML
 * @throws FedKimError `ConfigError` naming every wrong field
 */
export function parseWfdbMapping(value: unknown): WfdbMapping {
  return checkMapping(mapping, value, "WFDB import mapping");
}

/** How WFDB records are imported. */
export interface WfdbImportOptions {
  /** Key for pseudonyms of patients and records; names are kept without it. */
  readonly pseudonymKey?: Uint8Array;
  /** Bounds. */
  readonly limits?: Partial<ImportLimits>;
}

/**
 * Turns WFDB records (`.hea`, `.dat`, annotations) into a dataset of windows, resampled without aliasing.
 * Recordings are read window by window; windows with missing samples are left out and counted.
 *
 * @param source a folder of records, or one `.hea` file
 * @param mapping leads, windows and tasks, from {@link parseWfdbMapping}
 * @param dir the folder to write, which must not exist
 * @param options pseudonyms and bounds
 * @returns what was done
 * @throws FedKimError `FormatError` when a file is damaged or of another format, `DatasetError` when one is missing
 */
export async function importWfdb(
  source: string,
  mapping: WfdbMapping,
  dir: string,
  options: WfdbImportOptions = {},
): Promise<ImportReport> {
  const limits = importLimits(options.limits);
  const pseudonym = pseudonymiser(options.pseudonymKey);
  const { modality, sampleRateHz, unit } = mapping;
  const manifest = manifestOf(
    mapping,
    {
      [modality]: {
        kind: "signal",
        field: modality,
        array: `${modality.replace(/[^A-Za-z0-9_-]/g, "_")}.npy`,
        sampleRateHz,
        unit,
        leads: mapping.leads.length,
      },
    },
    mapping.tasks.map((item) => taskOf(item, "binary")),
  );
  const headers = (await listSources(source)).filter((path) => path.endsWith(".hea"));
  return await writeDataset(dir, manifest, "wfdb", async (writer) => {
    for (const path of headers) await importRecord(path, mapping, writer, limits, pseudonym);
  });
}

async function importRecord(
  path: string,
  mapping: WfdbMapping,
  writer: DatasetWriter,
  limits: ImportLimits,
  pseudonym: (identifier: string) => string,
): Promise<void> {
  const header = parseWfdbHeader(
    new TextDecoder("latin1").decode(await readWhole(path, 1 << 22, "a WFDB header")),
    path,
  );
  if (header.personalComments) {
    const message = "comments of a header state age, sex or dates; they are not copied into the dataset";
    writer.warnings.add("identifying_field", "header comments", message);
  }
  const chosen = mapping.leads.map((names) => findLead(header, names));
  if (chosen.some((signal) => signal === undefined)) {
    writer.warnings.add("record_skipped", "leads", "a record lacks a lead that the mapping asks for");
    return;
  }
  const patient = mapping.patients[header.record];
  if (patient === undefined) {
    const message = "a record was taken for a patient of its own; list records of one person under patients";
    writer.warnings.add("patient_assumed", "patients", message);
  }
  const annotations = await readAnnotations(path, mapping.annotator, limits);
  const open: WfdbSamples[] = [];
  try {
    for (const signal of chosen as WfdbSignal[]) {
      open.push(await WfdbSamples.open(header, signal, dirname(path)));
    }
    const length = Math.min(...open.map((samples) => samples.length));
    const recording = {
      file: path,
      sampleRateHz: header.sampleRateHz,
      length,
      leads: (chosen as WfdbSignal[]).map((signal, index) => {
        const convert = requireConversion(signal.unit, mapping.unit, `lead ${signal.description} of ${path}`);
        return (from: number, to: number) => open[index].read(from, to).map(convert);
      }),
    };
    const windows = Math.floor(length / (mapping.windowSeconds * header.sampleRateHz));
    if (windows === 0) {
      writer.warnings.add("record_skipped", "windows", "a recording is shorter than one window");
    }
    for (let window = 0; window < windows; window++) {
      const spec = {
        startSeconds: window * mapping.windowSeconds,
        seconds: mapping.windowSeconds,
        sampleRateHz: mapping.sampleRateHz,
      };
      const value = signalWindow(recording, spec, limits.samples);
      if (value === null) {
        writer.warnings.add("record_skipped", "samples", "a window with missing samples was left out");
        continue;
      }
      const from = spec.startSeconds * header.sampleRateHz;
      const to = from + mapping.windowSeconds * header.sampleRateHz;
      writer.write({
        id: `${pseudonym(header.record)}-${window}`,
        patient: pseudonym(patient ?? header.record),
        values: { [mapping.modality]: value },
        labels: Object.fromEntries(
          mapping.tasks.map((item) => [item.name, labelOf(item, annotations, from, to)]),
        ),
      });
    }
  } finally {
    for (const samples of open) samples[Symbol.dispose]();
  }
}

function findLead(header: WfdbHeader, names: readonly string[]): WfdbSignal | undefined {
  for (const name of names) {
    const found = header.signals.find(({ description }) => description.toLowerCase() === name.toLowerCase());
    if (found !== undefined) return found;
  }
  return undefined;
}

async function readAnnotations(
  headerPath: string,
  annotator: string,
  limits: ImportLimits,
): Promise<readonly WfdbAnnotation[] | undefined> {
  const path = `${dirname(headerPath)}/${basename(headerPath, ".hea")}.${annotator}`;
  const found = await Deno.stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isFile) throw badFile(path, "WFDB annotations", "something that is no file");
  return parseWfdbAnnotations(await readWhole(path, limits.wholeFileBytes, "WFDB annotations"), path);
}

/** The label of the window from sample `from` to before `to`; null without annotations. */
function labelOf(
  item: WfdbTask,
  annotations: readonly WfdbAnnotation[] | undefined,
  from: number,
  to: number,
): number | null {
  if (annotations === undefined) return null;
  if (item.beats !== undefined) {
    const { symbols, atLeast } = item.beats;
    const count = annotations.filter(({ sample, symbol }) =>
      sample >= from && sample < to && symbols.includes(symbol)
    ).length;
    return count >= atLeast ? 1 : 0;
  }
  const { names = [], fraction = 1 } = item.rhythms ?? {};
  const changes = annotations.filter(({ symbol, text }) => symbol === "+" && text.startsWith("("));
  // The rhythm before the first annotation of one is not known.
  if (changes.length === 0 || changes[0].sample > from + (1 - fraction) * (to - from)) return null;
  let inside = 0;
  changes.forEach(({ sample, text }, index) => {
    const end = changes[index + 1]?.sample ?? to;
    const overlap = Math.min(end, to) - Math.max(sample, from);
    if (overlap > 0 && names.includes(text.slice(1))) inside += overlap;
  });
  return inside >= fraction * (to - from) ? 1 : 0;
}
