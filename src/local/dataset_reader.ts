import { join } from "node:path";
import {
  type DatasetManifest,
  type FederationManifest,
  parseDatasetManifest,
  parseFederationManifest,
} from "../formats/dataset_manifest.ts";
import { FedKimError } from "../formats/errors.ts";
import type { Dataset, DatasetRecord } from "./dataset.ts";
import { parseRecord } from "./_parse_record.ts";
import { KeyTable } from "./_key_table.ts";
import { NpyRows } from "./_npy_rows.ts";

/** A longer line is refused: it would be held in memory whole. */
const LONGEST_LINE = 64 * 1024 * 1024;

/**
 * Reads and checks `dataset.json` of a folder.
 *
 * @param dir a dataset folder
 * @throws FedKimError `DatasetError` when it is missing or wrong
 */
export async function readDatasetManifest(dir: string): Promise<DatasetManifest> {
  const path = join(dir, "dataset.json");
  return parseDatasetManifest(await readManifestText(path, "a folder in the format fedkim-dataset/1"), path);
}

/** The folders of a federation on this machine. */
export interface FederationFolders {
  /** One folder per site, absolute or relative as `dir` was. */
  readonly sites: readonly { readonly name: string; readonly dir: string }[];
  /** The server's public data. */
  readonly public: string;
  /** The common test data. */
  readonly test: string;
  /** The manifest itself. */
  readonly manifest: FederationManifest;
}

/**
 * Reads and checks `federation.json` of a folder.
 *
 * @param dir the folder of a federation
 * @throws FedKimError `DatasetError` when it is missing or wrong
 */
export async function readFederation(dir: string): Promise<FederationFolders> {
  const path = join(dir, "federation.json");
  const text = await readManifestText(path, "a folder in the format fedkim-federation/1");
  const manifest = parseFederationManifest(text, path);
  return {
    sites: manifest.sites.map((name) => ({ name, dir: join(dir, name) })),
    public: join(dir, manifest.public),
    test: join(dir, manifest.test),
    manifest,
  };
}

async function readManifestText(path: string, needed: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new FedKimError("DatasetError", `${path} cannot be read.`, {
      found: cause instanceof Error ? cause.name : "an unknown failure",
      needed,
      remedy: "check the path, or make a folder with `fedkim dataset synthesize` or `fedkim dataset import`",
      cause,
    });
  }
}

/**
 * Streams the records of a dataset folder; arrays are read row by row, so memory holds one record at a time and
 * some 40 bytes for each identifier, which have to differ.
 *
 * @param dir a dataset folder
 * @param manifest its manifest, from {@link readDatasetManifest}
 * @param fields further fields, paths with dots, whose values become the records' attributes
 * @returns the records in the order of the file
 * @throws FedKimError `DatasetError` naming file, line, record and field of the first wrong value
 */
export async function* readRecords(
  dir: string,
  manifest: DatasetManifest,
  fields: readonly string[] = [],
): AsyncGenerator<DatasetRecord> {
  const path = join(dir, manifest.records);
  const arrays = new Map<string, NpyRows>();
  const seen = new KeyTable();
  let records = 0;
  try {
    for (const [name, modality] of Object.entries(manifest.modalities)) {
      if (modality.kind !== "image" && modality.kind !== "signal") continue;
      const rows = await NpyRows.open(join(dir, modality.array));
      arrays.set(name, rows);
      if (rows.shape.length !== 3 || (modality.kind === "signal" && rows.shape[2] !== modality.leads)) {
        throw new FedKimError("DatasetError", `${join(dir, modality.array)} does not fit modality ${name}.`, {
          found: `shape [${rows.shape.join(", ")}]`,
          needed: modality.kind === "image" ? "[N, height, width]" : `[N, samples, ${modality.leads}]`,
        });
      }
    }
    let line = 0;
    for await (const text of lines(path)) {
      line++;
      if (text.trim() === "") continue;
      const record = parseRecord(text, manifest, arrays, { file: path, line }, fields);
      if (seen.add(record.id) !== records++) {
        throw new FedKimError(
          "DatasetError",
          `${path}, line ${line}: the record ${record.id} occurs twice.`,
          {
            needed: "an identifier that is unique in the set",
          },
        );
      }
      yield record;
    }
  } finally {
    for (const rows of arrays.values()) rows[Symbol.dispose]();
  }
}

/**
 * Reads a dataset folder into memory.
 *
 * @param dir a dataset folder
 * @throws FedKimError `DatasetError` naming file, line, record and field of the first wrong value
 */
export async function loadDataset(dir: string): Promise<Dataset> {
  const manifest = await readDatasetManifest(dir);
  const records: DatasetRecord[] = [];
  for await (const record of readRecords(dir, manifest)) records.push(record);
  return { dir, manifest, records };
}

async function* lines(path: string): AsyncGenerator<string> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch (cause) {
    throw new FedKimError("DatasetError", `${path} cannot be opened.`, {
      needed: "the records that dataset.json names",
      cause,
    });
  }
  let rest = "";
  for await (const chunk of file.readable.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > LONGEST_LINE) {
      throw new FedKimError("DatasetError", `${path} holds a line of more than ${LONGEST_LINE} characters.`);
    }
    yield* parts;
  }
  if (rest !== "") yield rest;
}
