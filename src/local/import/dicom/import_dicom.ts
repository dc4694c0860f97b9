import { basename, join } from "node:path";
import { z } from "zod";
import type { ModalityManifest } from "../../../formats/dataset_manifest.ts";
import { FedKimError } from "../../../formats/errors.ts";
import type { Label, ModalityValue } from "../../dataset.ts";
import { type DatasetWriter, writeDataset } from "../dataset_writer.ts";
import { type ImageSize, imageSizeShape, resize } from "../images/mod.ts";
import type { ImportReport } from "../import_report.ts";
import { type ImportLimits, importLimits } from "../limits.ts";
import { pseudonymiser } from "../pseudonyms.ts";
import { checkMapping, manifestOf, type SetOptions, setShape, taskOf } from "../set_options.ts";
import { signalWindow } from "../signal_window.ts";
import { badFile, badValue } from "../source_errors.ts";
import { listSources, openSource, readAt, readWhole } from "../source_files.ts";
import {
  type ColumnTask,
  columnTaskShape,
  labelTableShape,
  type LabelTableSpec,
  readLabelTable,
} from "../tables/mod.ts";
import { renderFrame, type Window } from "./dicom_display.ts";
import { warnOfIdentifiers } from "./dicom_identifiers.ts";
import { type DicomObject, looksLikeDicom, parseDicom } from "./dicom_object.ts";
import { describePixels } from "./dicom_pixels.ts";
import { readWaveform } from "./dicom_waveform.ts";

/** Images of one size. */
export interface DicomImageModality {
  /** Discriminator. */
  readonly kind: "image";
  /** Name of the modality in the dataset. */
  readonly name: string;
  /** Size of the dataset's images. */
  readonly size: ImageSize;
  /** Which values become black and white. */
  readonly window: Window;
  /** Which frame of several. */
  readonly frame: "first" | "middle";
}

/** The beginning of each waveform object. */
export interface DicomSignalModality {
  /** Discriminator. */
  readonly kind: "signal";
  /** Name of the modality in the dataset. */
  readonly name: string;
  /** Names of the leads, for example I, II, V1. */
  readonly leads: readonly string[];
  /** Length of the window. */
  readonly seconds: number;
  /** Samples per second of the dataset. */
  readonly sampleRateHz: number;
  /** Unit of the dataset. */
  readonly unit: string;
}

/** What a row of the label table names. */
export type DicomLabelKey =
  | "file"
  | "sopInstanceUid"
  | "seriesInstanceUid"
  | "studyInstanceUid"
  | "accessionNumber"
  | "patientId";

/** `fedkim-import-dicom/1`: how DICOM objects become a dataset, one record per object. */
export interface DicomMapping extends SetOptions {
  /** Format and version. */
  readonly format: "fedkim-import-dicom/1";
  /** What is taken from each object. */
  readonly modality: DicomImageModality | DicomSignalModality;
  /** Only objects of these kinds (tag Modality), for example DX and CR; all if empty. */
  readonly modalities: readonly string[];
  /** What happens to a damaged or unsuitable object: an error, or left out and counted. */
  readonly damaged: "refuse" | "skip";
  /** Labels, in a table beside the mapping. */
  readonly labels?: { readonly table: LabelTableSpec; readonly by: DicomLabelKey } | undefined;
  /** Tasks; their columns stand in the label table. */
  readonly tasks: readonly ColumnTask[];
}

const window: z.ZodType<Window> = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("object") }),
  z.strictObject({ kind: z.literal("range") }),
  z.strictObject({ kind: z.literal("fixed"), center: z.number(), width: z.number().min(1) }),
]);

const modalityName = z.string().regex(/^[A-Za-z0-9_-]{1,100}$/);

const modality = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("image"),
    name: modalityName.default("image"),
    size: z.strictObject(imageSizeShape),
    window: window.default({ kind: "object" }),
    frame: z.enum(["first", "middle"]).default("middle"),
  }),
  z.strictObject({
    kind: z.literal("signal"),
    name: modalityName.default("ecg"),
    leads: z.array(z.string().min(1)).min(1),
    seconds: z.number().positive().max(3600),
    sampleRateHz: z.number().positive().max(1e5),
    unit: z.string().default("uV"),
  }),
]);

const mapping: z.ZodType<DicomMapping> = z.strictObject({
  format: z.literal("fedkim-import-dicom/1"),
  ...setShape,
  modality,
  modalities: z.array(z.string().min(1)).default([]),
  damaged: z.enum(["refuse", "skip"]).default("refuse"),
  labels: z.strictObject({
    table: z.strictObject(labelTableShape),
    by: z.enum([
      "file",
      "sopInstanceUid",
      "seriesInstanceUid",
      "studyInstanceUid",
      "accessionNumber",
      "patientId",
    ]),
  }).optional(),
  tasks: z.array(z.strictObject(columnTaskShape)).default([]),
}).refine((value) => value.tasks.length === 0 || value.labels !== undefined, {
  message: "tasks need a label table",
  path: ["labels"],
});

/**
 * Checks a mapping of DICOM objects.
 *
 * @param value the parsed JSON or TOML
 * @throws FedKimError `ConfigError` naming every wrong field
 */
export function parseDicomMapping(value: unknown): DicomMapping {
  return checkMapping(mapping, value, "DICOM import mapping");
}

/** How DICOM objects are imported. */
export interface DicomImportOptions {
  /** Folder that the label table's path is relative to. */
  readonly base: string;
  /** Key for pseudonyms of patients and objects; identifiers are kept without it. */
  readonly pseudonymKey?: Uint8Array;
  /** Bounds. */
  readonly limits?: Partial<ImportLimits>;
}

type Labels = ReadonlyMap<string, Readonly<Record<string, Label | null>>>;

/**
 * Turns DICOM objects into a dataset: images, or the beginning of waveforms. No tag but the patient's and the
 * object's identifier is copied; identifying tags and burned-in annotations are warned about.
 *
 * @param source a folder of DICOM files, or one file; files of other kinds are passed over
 * @param mapping modality, labels and tasks, from {@link parseDicomMapping}
 * @param dir the folder to write, which must not exist
 * @param options base folder, pseudonyms, bounds
 * @returns what was done
 * @throws FedKimError `FormatError` when a file is damaged, `DatasetError` naming file and tag of a wrong value
 */
export async function importDicom(
  source: string,
  mapping: DicomMapping,
  dir: string,
  options: DicomImportOptions,
): Promise<ImportReport> {
  const limits = importLimits(options.limits);
  const pseudonym = pseudonymiser(options.pseudonymKey);
  const labels = await readLabels(mapping, options.base, limits);
  const { name } = mapping.modality;
  const manifest = manifestOf(
    mapping,
    { [name]: modalityManifest(mapping.modality) },
    mapping.tasks.map((task) => taskOf(task, task.type, task.classes)),
  );
  const files = await listSources(source);
  return await writeDataset(dir, manifest, "dicom", async (writer) => {
    for (const file of files) {
      try {
        await importObject(file, mapping, labels, writer, limits, pseudonym);
      } catch (error) {
        const damaged = error instanceof FedKimError &&
          (error.code === "FormatError" || error.code === "DatasetError");
        if (mapping.damaged === "refuse" || !damaged) throw error;
        writer.warnings.add("record_skipped", "damaged", "a damaged or unsuitable object was left out");
      }
    }
  });
}

function modalityManifest(item: DicomImageModality | DicomSignalModality): ModalityManifest {
  const common = { field: item.name, array: `${item.name}.npy` };
  return item.kind === "image" ? { kind: "image", ...common, channels: 1 } : {
    kind: "signal",
    ...common,
    sampleRateHz: item.sampleRateHz,
    unit: item.unit,
    leads: item.leads.length,
  };
}

async function readLabels(
  mapping: DicomMapping,
  base: string,
  limits: ImportLimits,
): Promise<Labels | undefined> {
  if (mapping.labels === undefined) return undefined;
  const { table } = mapping.labels;
  const labels = new Map<string, Readonly<Record<string, Label | null>>>();
  const path = join(base, table.file);
  for await (const row of readLabelTable(path, table, mapping.tasks, [], limits)) {
    if (labels.has(row.key)) {
      throw badValue(
        { file: path, record: row.place, field: table.key },
        "a name that an earlier row has",
        "one row each",
      );
    }
    labels.set(row.key, row.labels);
  }
  return labels;
}

async function importObject(
  file: string,
  mapping: DicomMapping,
  labels: Labels | undefined,
  writer: DatasetWriter,
  limits: ImportLimits,
  pseudonym: (identifier: string) => string,
): Promise<void> {
  if (!await isDicom(file)) {
    writer.warnings.add("record_skipped", "other files", "a file that is no DICOM object was passed over");
    return;
  }
  const object = parseDicom(await readWhole(file, limits.wholeFileBytes, "DICOM"), file);
  if (mapping.modalities.length > 0 && !mapping.modalities.includes(object.text("x00080060") ?? "")) {
    writer.warnings.add("record_skipped", "Modality", "an object of another kind was passed over");
    return;
  }
  const patient = object.text("x00100020");
  const id = object.text("x00080018");
  if (patient === undefined || id === undefined) {
    throw badValue(
      { file, field: patient === undefined ? "PatientID" : "SOPInstanceUID" },
      "no value",
      "an identifier",
    );
  }
  const value = await valueOf(object, mapping, limits);
  if (value === null) {
    writer.warnings.add("record_skipped", "samples", "a waveform with missing samples was left out");
    return;
  }
  warnOfIdentifiers(object, writer.warnings);
  const found = labels?.get(labelKey(object, mapping.labels?.by ?? "file"));
  if (labels !== undefined && found === undefined) {
    writer.warnings.add("no_label", "label table", "an object has no row in the label table");
  }
  writer.write({
    id: pseudonym(id),
    patient: pseudonym(patient),
    values: { [mapping.modality.name]: value },
    labels: found ?? {},
  });
}

/** A file named as DICOM counts as one even without its mark, so that it is refused and not passed over. */
async function isDicom(file: string): Promise<boolean> {
  if (/\.(dcm|dicom|ima)$/i.test(file)) return true;
  if (/(^|\/)DICOMDIR$/.test(file)) return false;
  const handle = await openSource(file);
  try {
    return looksLikeDicom(readAt(handle, 0, 132));
  } finally {
    handle.close();
  }
}

async function valueOf(
  object: DicomObject,
  mapping: DicomMapping,
  limits: ImportLimits,
): Promise<ModalityValue | null> {
  const item = mapping.modality;
  if (item.kind === "image") {
    const { frames } = describePixels(object);
    const frame = item.frame === "first" ? 0 : Math.floor((frames - 1) / 2);
    return { kind: "image", ...resize(await renderFrame(object, frame, item.window, limits), item.size) };
  }
  const waveform = readWaveform(object, item.leads, item.unit);
  if (waveform.length < item.seconds * waveform.sampleRateHz) {
    const found = `${waveform.length / waveform.sampleRateHz} s of signal`;
    throw badFile(object.file, "a DICOM waveform", found, `at least ${item.seconds} s`);
  }
  const spec = { startSeconds: 0, seconds: item.seconds, sampleRateHz: item.sampleRateHz };
  return signalWindow(waveform, spec, limits.samples);
}

function labelKey(object: DicomObject, by: DicomLabelKey): string {
  const tags: Readonly<Record<Exclude<DicomLabelKey, "file">, string>> = {
    sopInstanceUid: "x00080018",
    seriesInstanceUid: "x0020000e",
    studyInstanceUid: "x0020000d",
    accessionNumber: "x00080050",
    patientId: "x00100020",
  };
  return by === "file" ? basename(object.file) : object.text(tags[by]) ?? "";
}
