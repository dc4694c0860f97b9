import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { DatasetManifest } from "../formats/dataset_manifest.ts";
import { FedKimError } from "../formats/errors.ts";
import { type DatasetRecord, unitOf } from "./dataset.ts";
import { readDatasetManifest, readRecords } from "./dataset_reader.ts";
import { enlarged, KeyTable } from "./_key_table.ts";
import { PatientOwner, readingOrder } from "./_patient_owner.ts";
import { datasetFolders, requireDistinct } from "./site_data.ts";

/** Stands for a record that is not in use: its patient belongs to another set, or was left out. */
export const WITHHELD = 0xffffffff;

/** One set of a site as counts and a number per record; its records stay on disk. */
export interface IndexedSet {
  /** Name of the set, from its manifest. */
  readonly name: string;
  /** Its manifest. */
  readonly manifest: DatasetManifest;
  /** Its folder. */
  readonly dir: string;
  /** Number of records in use. */
  readonly size: number;
  /** Number of privacy units. */
  readonly units: number;
  /** The most units of one patient: 1 unless the unit is the single record. */
  readonly mostUnitsPerPatient: number;
  /** Number of the unit of every record of the file, 0xffffffff for one that is not in use. */
  readonly unitOfRecord: Uint32Array;
  /** What was left out because the patient belongs to another set, or was not to be taken. */
  readonly withheld: { readonly patients: number; readonly records: number };
  /** SHA-256 of all identifiers in order: a file that changes meanwhile is noticed. */
  readonly identity: string;
}

/** All sets of one part of a federation, every record read and checked once, none of them in memory. */
export interface SiteIndex {
  /** Name of the part: its folder's name. */
  readonly name: string;
  /** Folder. */
  readonly dir: string;
  /** Sets in alphabetical order of their names. */
  readonly sets: readonly IndexedSet[];
  /** Records left out over all sets. */
  readonly withheldRecords: number;
}

/**
 * Reads a part of a federation once from end to end, checks every record, and keeps four bytes for each. Patients are
 * given to sets by the same rule as in `loadFederationPart`.
 *
 * @param dir the folder, for example `site-west`
 * @param takes whether a patient's records are to be used, wherever they are; all patients' by default. It must look at
 * nothing but that patient: then sets still compose in parallel
 * @throws FedKimError `DatasetError` naming file, line, record and field of the first wrong value
 */
export async function indexFederationPart(
  dir: string,
  takes: (patient: string) => boolean = () => true,
): Promise<SiteIndex> {
  const found: { name: string; privacyUnit: string; manifest: DatasetManifest; dir: string }[] = [];
  for (const folder of await datasetFolders(dir)) {
    const manifest = await readDatasetManifest(folder);
    found.push({ name: manifest.name, privacyUnit: manifest.privacyUnit, manifest, dir: folder });
  }
  requireDistinct(dir, found.map(({ name }) => name));
  const owner = new PatientOwner();
  const sets: IndexedSet[] = [];
  for (const set of readingOrder(found)) sets.push(await indexSet(set.dir, set.manifest, owner, takes));
  sets.sort((a, b) => (a.name < b.name ? -1 : 1));
  const withheldRecords = sets.reduce((sum, set) => sum + set.withheld.records, 0);
  return { name: basename(dir), dir, sets, withheldRecords };
}

async function indexSet(
  dir: string,
  manifest: DatasetManifest,
  owner: PatientOwner,
  takes: (patient: string) => boolean,
): Promise<IndexedSet> {
  const units = new KeyTable();
  const gone = new KeyTable();
  const patients = new KeyTable();
  const unitsOf: number[] = [];
  const identity = createHash("sha256");
  let unitOfRecord = new Uint32Array(1024);
  let records = 0;
  let size = 0;
  for await (const record of readRecords(dir, manifest)) {
    identity.update(nameOf(record));
    if (records === unitOfRecord.length) unitOfRecord = enlarged(unitOfRecord);
    if (owner.owns(manifest, record.patient) && takes(record.patient)) {
      const known = units.size;
      unitOfRecord[records] = units.add(unitOf(manifest, record));
      const patient = patients.add(record.patient);
      if (units.size > known) unitsOf[patient] = (unitsOf[patient] ?? 0) + 1;
      size++;
    } else {
      unitOfRecord[records] = WITHHELD;
      gone.add(record.patient);
    }
    records++;
  }
  return {
    name: manifest.name,
    manifest,
    dir,
    size,
    units: units.size,
    mostUnitsPerPatient: unitsOf.reduce((most, count) => Math.max(most, count), 0),
    unitOfRecord: unitOfRecord.slice(0, records),
    withheld: { patients: gone.size, records: records - size },
    identity: identity.digest("hex"),
  };
}

/**
 * Reads an indexed set's records in use again.
 *
 * @param set a set of {@link indexFederationPart}
 * @param fields further fields whose values become the records' attributes
 * @returns the records in the order of the file
 * @throws FedKimError `DatasetError` when the file has other records than before
 */
export async function* recordsInUse(
  set: IndexedSet,
  fields: readonly string[] = [],
): AsyncGenerator<DatasetRecord> {
  const identity = createHash("sha256");
  let records = 0;
  for await (const record of readRecords(set.dir, set.manifest, fields)) {
    identity.update(nameOf(record));
    if (records >= set.unitOfRecord.length) throw changed(set);
    if (set.unitOfRecord[records++] !== WITHHELD) yield record;
  }
  if (records !== set.unitOfRecord.length || identity.digest("hex") !== set.identity) throw changed(set);
}

/**
 * The units of some patients, by set: what to withdraw.
 *
 * @param index one part of a federation
 * @param chosen says of a patient whether their units are wanted
 * @returns numbers of units in use, in rising order, for each set that has some
 * @throws FedKimError `DatasetError` when a file has other records than before
 */
export async function unitsOfPatients(
  index: SiteIndex,
  chosen: (patient: string) => boolean,
): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  for (const set of index.sets) {
    const inUse = set.unitOfRecord.filter((unit) => unit !== WITHHELD);
    const units = new Set<number>();
    let next = 0;
    for await (const { patient } of recordsInUse(set)) {
      const unit = inUse[next++];
      if (chosen(patient)) units.add(unit);
    }
    if (units.size > 0) found.set(set.name, [...units].sort((a, b) => a - b));
  }
  return found;
}

function nameOf({ id, patient }: DatasetRecord): string {
  return JSON.stringify([id, patient]);
}

function changed({ dir }: IndexedSet): FedKimError {
  return new FedKimError("DatasetError", `${dir} was changed while it was in use.`, {
    found: "other records or patients than at the start",
    needed: "a folder that nobody writes to while the site takes part",
    remedy: "start the client again",
  });
}

/**
 * Names the records that a site takes part with: SHA-256 of all sets' names, privacy units and identifiers in order,
 * 64 hexadecimal digits. Keep it with the commitment to a plan and compare it by {@link requireSameData} after a
 * restart: which set a patient belongs to, and so the promise, follows from all records together.
 *
 * @param index one part of a federation
 */
export function dataIdentity({ sets }: SiteIndex): string {
  const parts = sets.map(({ name, manifest, identity }) => [name, manifest.privacyUnit, identity]);
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

/**
 * Refuses to go on with a plan on other records than those that it was accepted with.
 *
 * @param index what the site has now
 * @param committed {@link dataIdentity} of what it had
 * @throws FedKimError `DatasetError` where they differ
 */
export function requireSameData(index: SiteIndex, committed: string): void {
  if (dataIdentity(index) === committed) return;
  throw new FedKimError("DatasetError", `${index.dir} has other records than when the plan was accepted.`, {
    found: "other sets, records, patients or privacy units, or another order",
    needed: "the records that this site took part in the plan with",
    remedy: "restore the folder, or join under a new plan with the new records",
  });
}
