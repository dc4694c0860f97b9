import { basename, join } from "node:path";
import { readDatasetManifest } from "../../dataset_reader.ts";
import { type ImportWarning, WarningList } from "../import_report.ts";
import { recordLines } from "./_record_lines.ts";

/** A part of a federation or of a split: folders whose patients must be in no other part. */
export interface Part {
  /** Name of the part. */
  readonly name: string;
  /** Its dataset folders. */
  readonly dirs: readonly string[];
}

/**
 * The dataset folders of a part: the folder itself, or its sub-folders.
 *
 * @param dir a dataset folder, or a folder of dataset folders
 */
export async function partOf(dir: string): Promise<Part> {
  const isDataset = async (path: string): Promise<boolean> => {
    return await Deno.stat(join(path, "dataset.json")).then(({ isFile }) => isFile, () => false);
  };
  if (await isDataset(dir)) return { name: basename(dir), dirs: [dir] };
  const dirs: string[] = [];
  for await (const entry of Deno.readDir(dir)) {
    if (!entry.isFile && await isDataset(join(dir, entry.name))) dirs.push(join(dir, entry.name));
  }
  return { name: basename(dir), dirs: dirs.sort() };
}

/**
 * Looks for patients and records that occur in several parts: in training and test data, or at two sites.
 *
 * @param parts the parts to compare
 * @returns one finding per pair of parts, counted by patient or record
 * @throws FedKimError `DatasetError` when a folder is malformed
 */
export async function inspectParts(parts: readonly Part[]): Promise<ImportWarning[]> {
  const warnings = new WarningList();
  const patients = new Map<string, Set<string>>();
  const records = new Map<string, Set<string>>();
  for (const part of parts) {
    for (const dir of part.dirs) {
      const manifest = await readDatasetManifest(dir);
      for await (const record of recordLines(join(dir, manifest.records))) {
        note(patients, String(record[manifest.patientField]), part.name);
        note(records, JSON.stringify([manifest.name, record.id]), part.name);
      }
    }
  }
  const patientMessage = "a patient occurs in both parts: results on one are not independent of the other";
  const recordMessage = "a record occurs in both parts";
  for (const pair of pairs(patients)) warnings.add("patient_in_several_parts", pair, patientMessage);
  for (const pair of pairs(records)) warnings.add("record_in_several_parts", pair, recordMessage);
  return warnings.list();
}

function note(owners: Map<string, Set<string>>, key: string, part: string): void {
  const known = owners.get(key);
  if (known === undefined) owners.set(key, new Set([part]));
  else known.add(part);
}

function* pairs(owners: ReadonlyMap<string, ReadonlySet<string>>): Generator<string> {
  for (const parts of owners.values()) {
    if (parts.size < 2) continue;
    const names = [...parts];
    for (let i = 0; i < names.length; i++) {
      for (let j = i + 1; j < names.length; j++) yield `${names[i]} and ${names[j]}`;
    }
  }
}
