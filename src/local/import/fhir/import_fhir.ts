import type { ModalityManifest } from "../../../formats/dataset_manifest.ts";
import type { ModalityValue } from "../../dataset.ts";
import { type DatasetWriter, writeDataset } from "../dataset_writer.ts";
import type { ImportReport } from "../import_report.ts";
import { type ImportLimits, importLimits } from "../limits.ts";
import { pseudonymiser } from "../pseudonyms.ts";
import { manifestOf, taskOf } from "../set_options.ts";
import { badFile, badValue } from "../source_errors.ts";
import { listSources, readWhole } from "../source_files.ts";
import { timestamp } from "../timestamps.ts";
import { collect, hasCode, timeOf } from "./_stay.ts";
import { FhirBundle } from "./fhir_bundle.ts";
import type { FhirLabel, FhirMapping, FhirModality } from "./fhir_mapping.ts";
import type { FhirEncounter, FhirObservation, FhirPatient } from "./fhir_resources.ts";

/** How FHIR bundles are imported. */
export interface FhirImportOptions {
  /** Key for pseudonyms of patients and stays; identifiers are kept without it. */
  readonly pseudonymKey?: Uint8Array;
  /** Bounds. */
  readonly limits?: Partial<ImportLimits>;
}

/**
 * Turns the stays (Encounter) of FHIR R4 bundles into a dataset: observations become timeseries and vectors in the
 * dataset's units, diagnoses and discharges become labels. Bundles are read one after another; a patient's resources
 * are looked for in the stay's own bundle.
 *
 * @param source a folder of bundles (`.json`, `.json.gz`), or one file
 * @param mapping channels, labels and classes of stays, from {@link parseFhirMapping}
 * @param dir the folder to write, which must not exist
 * @param options pseudonyms and bounds
 * @returns what was done
 * @throws FedKimError `FormatError` when a file is no Bundle, `DatasetError` naming file, resource and element of the
 * first wrong value
 */
export async function importFhir(
  source: string,
  mapping: FhirMapping,
  dir: string,
  options: FhirImportOptions = {},
): Promise<ImportReport> {
  const limits = importLimits(options.limits);
  const pseudonym = pseudonymiser(options.pseudonymKey);
  const modalities = Object.fromEntries(
    Object.entries(mapping.modalities).map(([name, item]) => [name, modalityManifest(name, item)]),
  );
  const manifest = manifestOf(mapping, modalities, mapping.tasks.map((task) => taskOf(task, "binary")));
  const files = (await listSources(source)).filter((path) => /\.json(\.gz)?$/i.test(path));
  return await writeDataset(dir, manifest, "fhir", async (writer) => {
    for (const file of files) {
      const bytes = await readWhole(file, limits.wholeFileBytes, "FHIR");
      importBundle(new FhirBundle(decode(bytes, file), file), mapping, writer, pseudonym);
    }
  });
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw badFile(file, "FHIR", "bytes that are not UTF-8", "a FHIR R4 Bundle in JSON", cause);
  }
}

function modalityManifest(name: string, item: FhirModality): ModalityManifest {
  if (item.kind === "text") return { kind: "text", field: name };
  const common = {
    field: name,
    channels: item.channels.map((channel) => channel.name),
    units: item.channels.map((channel) => channel.unit),
  };
  return item.kind === "timeseries"
    ? { kind: "timeseries", steps: item.steps, stepSeconds: item.stepSeconds, ...common }
    : { kind: "vector", ...common };
}

function importBundle(
  bundle: FhirBundle,
  mapping: FhirMapping,
  writer: DatasetWriter,
  pseudonym: (identifier: string) => string,
): void {
  if ([...bundle.patients.values()].some(({ name }) => name !== undefined)) {
    const message = "bundles hold names; they are not copied into the dataset";
    writer.warnings.add("identifying_field", "Patient.name", message);
  }
  for (const { name, resource } of bundle.encounters) {
    const kind = resource.class?.code ?? "";
    if (resource.status === "entered-in-error" || resource.status === "cancelled") continue;
    if (mapping.encounterClasses.length > 0 && !mapping.encounterClasses.includes(kind)) continue;
    const patient = bundle.find(resource.subject);
    const start = timestamp(resource.period?.start ?? "");
    if (patient === undefined || Number.isNaN(start)) {
      throw badValue(
        {
          file: bundle.file,
          record: `Encounter ${name}`,
          field: patient === undefined ? "subject" : "period.start",
        },
        "no value that can be read",
        patient === undefined ? "a reference to a patient" : "a date and time",
      );
    }
    const observations = bundle.observations.filter((item) => belongs(bundle, item, name, patient, resource));
    const stay = { file: bundle.file, start, observations };
    const values: Record<string, ModalityValue | null> = {};
    for (const [modality, item] of Object.entries(mapping.modalities)) {
      values[modality] = item.kind === "text"
        ? sentence(item.template, resource, bundle.patients.get(patient))
        : collect(modality, item, stay, mapping.badValues, writer.warnings);
    }
    const labels = mapping.tasks.map(({ name: task, from }) => {
      return [task, labelOf(bundle, from, name, patient, resource)] as const;
    });
    writer.write({
      id: pseudonym(name),
      patient: pseudonym(patient),
      values,
      labels: Object.fromEntries(labels),
    });
  }
}

/** By its own reference, or by the patient and the time where there is none. */
function belongs(
  bundle: FhirBundle,
  observation: FhirObservation,
  encounter: string,
  patient: string,
  { period }: FhirEncounter,
): boolean {
  if (observation.encounter !== undefined) return bundle.find(observation.encounter) === encounter;
  if (bundle.find(observation.subject) !== patient) return false;
  const time = timeOf(observation);
  const end = timestamp(period?.end ?? "");
  return time >= timestamp(period?.start ?? "") && (Number.isNaN(end) || time <= end);
}

const REFUTED = ["refuted", "entered-in-error"];

function labelOf(
  bundle: FhirBundle,
  from: FhirLabel,
  encounter: string,
  patient: string,
  resource: FhirEncounter,
): number | null {
  if (from.kind === "discharge") {
    const disposition = resource.hospitalization?.dischargeDisposition;
    return disposition === undefined ? null : Number(hasCode(disposition, from.codes));
  }
  const found = bundle.conditions.some((condition) =>
    hasCode(condition.code, from.codes) && !hasCode(condition.verificationStatus, REFUTED) &&
    (from.scope === "encounter"
      ? bundle.find(condition.encounter) === encounter
      : bundle.find(condition.subject) === patient)
  );
  return Number(found);
}

const YEAR_MS = 365.2425 * 86_400_000;

function sentence(
  template: string,
  encounter: FhirEncounter,
  patient: FhirPatient | undefined,
): ModalityValue | null {
  const born = timestamp(patient?.birthDate ?? "");
  const years = Math.floor((timestamp(encounter.period?.start ?? "") - born) / YEAR_MS);
  const known: Readonly<Record<string, string | undefined>> = {
    age: Number.isNaN(years) ? undefined : String(years),
    gender: patient?.gender,
    class: encounter.class?.code,
    reason: encounter.reasonCode?.map((concept) => concept.text).filter((text) => text !== undefined).join(
      ", ",
    ),
  };
  let filled = 0;
  const text = template.replace(/\{(\w+)\}/g, (_, field: string) => {
    if (known[field] !== undefined && known[field] !== "") filled++;
    return known[field] ?? "";
  });
  return filled === 0 ? null : { kind: "text", text };
}
