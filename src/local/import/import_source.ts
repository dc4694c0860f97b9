import { dirname, extname } from "node:path";
import { parse as parseToml } from "smol-toml";
import { FedKimError } from "../../formats/errors.ts";
import { importDicom, parseDicomMapping } from "./dicom/mod.ts";
import { importFhir, parseFhirMapping } from "./fhir/mod.ts";
import { importImages, parseImageMapping } from "./images/mod.ts";
import type { ImportReport } from "./import_report.ts";
import type { ImportLimits } from "./limits.ts";
import { causeText } from "./source_errors.ts";
import { readWhole } from "./source_files.ts";
import { importTables, parseTableMapping } from "./tables/mod.ts";
import { importWfdb, parseWfdbMapping } from "./wfdb/mod.ts";

/** What `fedkim dataset import` needs to know. */
export interface ImportRequest {
  /** Mapping file, JSON or TOML; its `format` chooses the importer. */
  readonly mappingFile: string;
  /** Folder to write; it must not exist. */
  readonly dir: string;
  /** File or folder of WFDB, DICOM or FHIR sources; the mapping's folder if absent. Tables and images name theirs. */
  readonly source?: string | undefined;
  /** Secret of the site for pseudonyms, at least 16 bytes; identifiers are kept without it. */
  readonly pseudonymKey?: Uint8Array | undefined;
  /** Bounds. */
  readonly limits?: Partial<ImportLimits> | undefined;
}

const LARGEST_MAPPING = 4 * 1024 * 1024;

/**
 * Imports whatever a mapping file describes.
 *
 * @param request mapping, source and target
 * @returns what was done; also written to `import.json` in the new folder
 * @throws FedKimError `ConfigError` when the mapping is wrong, `FormatError` when a source is damaged, `DatasetError`
 * naming file, record and field of the first wrong value; nothing is left behind then
 */
export async function importDataset(request: ImportRequest): Promise<ImportReport> {
  const { mappingFile, dir } = request;
  const base = dirname(mappingFile);
  const source = request.source ?? base;
  const mapping = await readMapping(mappingFile);
  const options = {
    base,
    ...(request.pseudonymKey === undefined ? {} : { pseudonymKey: request.pseudonymKey }),
    ...(request.limits === undefined ? {} : { limits: request.limits }),
  };
  const format = typeof mapping === "object" && mapping !== null && "format" in mapping
    ? mapping.format
    : undefined;
  switch (format) {
    case "fedkim-import/1":
      return await importTables(parseTableMapping(mapping), dir, options);
    case "fedkim-import-wfdb/1":
      return await importWfdb(source, parseWfdbMapping(mapping), dir, options);
    case "fedkim-import-dicom/1":
      return await importDicom(source, parseDicomMapping(mapping), dir, options);
    case "fedkim-import-images/1":
      return await importImages(parseImageMapping(mapping), dir, options);
    case "fedkim-import-fhir/1":
      return await importFhir(source, parseFhirMapping(mapping), dir, options);
    default:
      throw new FedKimError("ConfigError", `${mappingFile} is no import mapping.`, {
        found: typeof format === "string" ? `the format ${format.slice(0, 60)}` : "no format",
        needed: "fedkim-import/1, or fedkim-import-wfdb/1, -dicom/1, -images/1 or -fhir/1",
      });
  }
}

async function readMapping(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readWhole(path, LARGEST_MAPPING, "an import mapping"));
  try {
    return extname(path).toLowerCase() === ".toml" ? parseToml(text) : JSON.parse(text);
  } catch (cause) {
    throw new FedKimError("ConfigError", `${path} cannot be parsed.`, {
      found: causeText(cause).split("\n")[0],
      needed: "JSON, or TOML in a file whose name ends with .toml",
      cause,
    });
  }
}
