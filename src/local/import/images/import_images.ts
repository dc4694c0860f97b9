import { join } from "node:path";
import { z } from "zod";
import { writeDataset } from "../dataset_writer.ts";
import type { ImportReport } from "../import_report.ts";
import { type ImportLimits, importLimits } from "../limits.ts";
import { pseudonymiser } from "../pseudonyms.ts";
import { checkMapping, manifestOf, type SetOptions, setShape, taskOf } from "../set_options.ts";
import { badValue } from "../source_errors.ts";
import { readWhole } from "../source_files.ts";
import {
  type ColumnTask,
  columnTaskShape,
  labelTableShape,
  type LabelTableSpec,
  readLabelTable,
} from "../tables/mod.ts";
import { decodeImage } from "./decode_image.ts";
import { type ImageSize, resize } from "./grey_image.ts";

/** `fedkim-import-images/1`: a table that names image files, their patients and their labels. */
export interface ImageMapping extends SetOptions {
  /** Format and version. */
  readonly format: "fedkim-import-images/1";
  /** Name of the image modality. */
  readonly modality: string;
  /** Size of the dataset's images. */
  readonly size: ImageSize;
  /** The table; its key column holds the paths of the images, relative to the mapping's folder. */
  readonly table: LabelTableSpec;
  /** Column that says who an image belongs to. */
  readonly patientColumn: string;
  /** Column of the record's identifier; the path of the image if absent. */
  readonly idColumn?: string | undefined;
  /** Tasks. */
  readonly tasks: readonly ColumnTask[];
}

/** Fields of {@link ImageSize} for a mapping's schema. */
export const imageSizeShape = {
  height: z.number().int().min(1).max(4096),
  width: z.number().int().min(1).max(4096),
  fit: z.enum(["pad", "crop", "stretch"]).default("pad"),
} as const satisfies z.ZodRawShape;

const mapping: z.ZodType<ImageMapping> = z.strictObject({
  format: z.literal("fedkim-import-images/1"),
  ...setShape,
  modality: z.string().regex(/^[A-Za-z0-9_-]{1,100}$/).default("image"),
  size: z.strictObject(imageSizeShape),
  table: z.strictObject(labelTableShape),
  patientColumn: z.string().min(1),
  idColumn: z.string().min(1).optional(),
  tasks: z.array(z.strictObject(columnTaskShape)).default([]),
});

/**
 * Checks a mapping of images.
 *
 * @param value the parsed JSON or TOML
 * @throws FedKimError `ConfigError` naming every wrong field
 */
export function parseImageMapping(value: unknown): ImageMapping {
  return checkMapping(mapping, value, "image import mapping");
}

/** How images are imported. */
export interface ImageImportOptions {
  /** Folder that the mapping's paths are relative to. */
  readonly base: string;
  /** Key for pseudonyms of patients and records; identifiers are kept without it. */
  readonly pseudonymKey?: Uint8Array;
  /** Bounds. */
  readonly limits?: Partial<ImportLimits>;
}

/**
 * Turns PNG, JPEG and NPY images into a dataset of grey images of one size, one record per row of the table.
 *
 * @param mapping table, size and tasks, from {@link parseImageMapping}
 * @param dir the folder to write, which must not exist
 * @param options base folder, pseudonyms, bounds
 * @returns what was done
 * @throws FedKimError `FormatError` when an image is damaged, `DatasetError` naming file, row and column of the first
 * wrong value
 */
export async function importImages(
  mapping: ImageMapping,
  dir: string,
  options: ImageImportOptions,
): Promise<ImportReport> {
  const { modality, size, tasks, table } = mapping;
  const limits = importLimits(options.limits);
  const pseudonym = pseudonymiser(options.pseudonymKey);
  const manifest = manifestOf(
    mapping,
    { [modality]: { kind: "image", field: modality, array: `${modality}.npy`, channels: 1 } },
    tasks.map((task) => taskOf(task, task.type, task.classes)),
  );
  const path = join(options.base, table.file);
  const further = [mapping.patientColumn, ...(mapping.idColumn === undefined ? [] : [mapping.idColumn])];
  return await writeDataset(dir, manifest, "images", async (writer) => {
    for await (const { key, labels, texts, place } of readLabelTable(path, table, tasks, further, limits)) {
      const wrong = further.find((_, index) => texts[index] === null);
      if (wrong !== undefined) {
        throw badValue({ file: path, record: place, field: wrong }, "no value", "an identifier");
      }
      const file = join(options.base, key);
      const image = await decodeImage(await readWhole(file, limits.wholeFileBytes, "an image"), file, limits);
      writer.write({
        id: pseudonym(texts[1] ?? key),
        patient: pseudonym(texts[0] as string),
        values: { [modality]: { kind: "image", ...resize(image, size) } },
        labels,
      });
    }
  });
}
