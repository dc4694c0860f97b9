import { basename, join } from "node:path";
import type { DatasetManifest } from "../formats/dataset_manifest.ts";
import { FedKimError } from "../formats/errors.ts";
import { MOST_SETS } from "../formats/set_name.ts";
import { type Dataset, type DatasetRecord, unitOf } from "./dataset.ts";
import { loadDataset } from "./dataset_reader.ts";
import { PatientOwner, readingOrder } from "./_patient_owner.ts";

/** One set of a site, after every patient was given to one set. */
export interface SiteSet {
  /** Name of the set, from its manifest. */
  readonly name: string;
  /** Its manifest. */
  readonly manifest: DatasetManifest;
  /** Records in use. */
  readonly records: readonly DatasetRecord[];
  /** The privacy unit of every record, in the same order. */
  readonly units: readonly string[];
  /** What was left out because the patient belongs to an earlier set. */
  readonly withheld: { readonly patients: number; readonly records: number };
}

/** All sets of one part of a federation: a site, the public data or the test data. */
export interface SiteData {
  /** Name of the part: its folder's name. */
  readonly name: string;
  /** Folder. */
  readonly dir: string;
  /** Sets in alphabetical order of their names. */
  readonly sets: readonly SiteSet[];
  /** Records left out over all sets. */
  readonly withheldRecords: number;
}

/**
 * Loads one part of a federation: a folder whose sub-folders are datasets.
 *
 * @param dir the folder, for example `site-west`
 * @returns its sets, every patient in exactly one of them
 * @throws FedKimError `DatasetError` when a set is malformed or no set is found
 */
export async function loadFederationPart(dir: string): Promise<SiteData> {
  const datasets: Dataset[] = [];
  for (const folder of await datasetFolders(dir)) datasets.push(await loadDataset(folder));
  return composeSite(basename(dir), dir, datasets);
}

/**
 * The dataset folders of one part of a federation.
 *
 * @param dir the folder of the part
 * @returns its sub-folders that hold a `dataset.json`, in alphabetical order
 * @throws FedKimError `DatasetError` when there is none
 */
export async function datasetFolders(dir: string): Promise<string[]> {
  const folders: string[] = [];
  try {
    for await (const entry of Deno.readDir(dir)) {
      if (entry.isFile) continue;
      const found = await Deno.stat(join(dir, entry.name, "dataset.json")).catch(() => undefined);
      if (found !== undefined) folders.push(join(dir, entry.name));
    }
  } catch (cause) {
    throw new FedKimError("DatasetError", `${dir} cannot be read.`, {
      found: cause instanceof Error ? cause.name : "an unknown failure",
      needed: "a folder of dataset folders",
      remedy: "check the path of the site's data",
      cause,
    });
  }
  if (folders.length > 0) return folders.sort();
  throw new FedKimError("DatasetError", `${dir} holds no dataset.`, {
    needed: "at least one sub-folder with dataset.json",
    remedy: "check the path, or make data with `fedkim dataset synthesize`",
  });
}

/**
 * Gives each patient to one set by the rule of `PatientOwner`: a patient of several sets with a group unit counts in the
 * alphabetically first one only.
 *
 * @param name name of the part
 * @param dir its folder
 * @param datasets its datasets
 * @throws FedKimError `DatasetError` when two datasets have the same name
 */
export function composeSite(name: string, dir: string, datasets: readonly Dataset[]): SiteData {
  const owner = new PatientOwner();
  const named = datasets.map((dataset) => ({
    dataset,
    name: dataset.manifest.name,
    privacyUnit: dataset.manifest.privacyUnit,
  }));
  requireDistinct(dir, named.map((set) => set.name));
  const sets = readingOrder(named).map((set): SiteSet => {
    const { manifest, records } = set.dataset;
    const kept: DatasetRecord[] = [];
    const gone: DatasetRecord[] = [];
    for (const record of records) (owner.owns(set, record.patient) ? kept : gone).push(record);
    return {
      name: manifest.name,
      manifest,
      records: kept,
      units: kept.map((record) => unitOf(manifest, record)),
      withheld: { patients: new Set(gone.map(({ patient }) => patient)).size, records: gone.length },
    };
  }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return { name, dir, sets, withheldRecords: sets.reduce((sum, set) => sum + set.withheld.records, 0) };
}

/** Refuses two datasets of one name, which plan and ledger could not tell apart, and more than a site can state. */
export function requireDistinct(dir: string, names: readonly string[]): void {
  if (names.length > MOST_SETS) {
    throw new FedKimError("DatasetError", `${dir} holds too many datasets.`, {
      found: `${names.length}`,
      needed: `at most ${MOST_SETS}`,
      remedy: "put sets together, or give this site the ones it takes part with in a folder of their own",
    });
  }
  if (new Set(names).size === names.length) return;
  throw new FedKimError("DatasetError", `${dir} holds two datasets of the same name.`, {
    found: names.join(", "),
    needed: "one folder per set",
  });
}

/** Counts of one task in a set. */
export interface TaskDescription {
  /** Records with a label. */
  readonly labelled: number;
  /** Records labelled 1; only for binary tasks. */
  readonly positives?: number;
}

/** Counts of one set; they stay at the site unless released with noise. */
export interface SetDescription {
  /** Name of the set. */
  readonly name: string;
  /** Who the guarantee is stated for. */
  readonly privacyUnit: string;
  /** Records in use. */
  readonly records: number;
  /** Privacy units. */
  readonly units: number;
  /** Patients. */
  readonly patients: number;
  /** The most records of one unit. */
  readonly largestUnit: number;
  /** Records left out because their patient belongs to an earlier set. */
  readonly withheldRecords: number;
  /** Records without a value, by modality. */
  readonly missing: Readonly<Record<string, number>>;
  /** Counts by task. */
  readonly tasks: Readonly<Record<string, TaskDescription>>;
}

/**
 * Counts what a site holds.
 *
 * @param site a loaded part
 */
export function describeSite(site: SiteData): SetDescription[] {
  return site.sets.map((set) => {
    const perUnit = new Map<string, number>();
    for (const unit of set.units) perUnit.set(unit, (perUnit.get(unit) ?? 0) + 1);
    const missing = Object.keys(set.manifest.modalities).map((name) => {
      return [name, set.records.filter((record) => record.values.get(name) === null).length] as const;
    });
    const tasks = set.manifest.tasks.map((task) => {
      const labels = set.records.map((record) => record.labels.get(task.name)).filter((label) =>
        label !== null
      );
      const description: TaskDescription = task.type === "binary"
        ? { labelled: labels.length, positives: labels.filter((label) => label === 1).length }
        : { labelled: labels.length };
      return [task.name, description] as const;
    });
    return {
      name: set.name,
      privacyUnit: set.manifest.privacyUnit,
      records: set.records.length,
      units: perUnit.size,
      patients: new Set(set.records.map(({ patient }) => patient)).size,
      largestUnit: [...perUnit.values()].reduce((most, count) => Math.max(most, count), 0),
      withheldRecords: set.withheld.records,
      missing: Object.fromEntries(missing),
      tasks: Object.fromEntries(tasks),
    };
  });
}
