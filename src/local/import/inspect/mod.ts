/**
 * What is in a dataset folder, and what is wrong with it: the work behind `fedkim dataset inspect`.
 *
 * {@link inspectDataset} reads and validates every record and gives counts, missingness, statistics, label balance
 * and warnings: units that do not fit their values, impossible values, empty channels, one class only, texts and
 * fields that look like names, record numbers or dates of birth, and burned-in annotations that the import saw.
 * {@link inspectParts} finds patients that occur in several parts. {@link formatInspection} draws it for a terminal.
 * All of it is computed from private records and stays at the site.
 *
 * @module
 */
export type { ModalityKind, TaskType } from "../../../formats/dataset_manifest.ts";
export type {
  ChannelInspection,
  DatasetInspection,
  ModalityInspection,
  TaskInspection,
} from "./inspection.ts";
export { inspectDataset } from "./inspect_dataset.ts";
export { inspectParts, type Part, partOf } from "./inspect_parts.ts";
export { formatInspection, formatWarnings } from "./format_inspection.ts";
