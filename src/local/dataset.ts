import type { DatasetManifest, TaskManifest } from "../formats/dataset_manifest.ts";

/** Regular measurements, row-major [steps][channels]; NaN = missing. */
export interface TimeseriesValue {
  /** Discriminator. */
  readonly kind: "timeseries";
  /** Number of steps. */
  readonly steps: number;
  /** Number of channels. */
  readonly channels: number;
  /** Values, NaN = missing. */
  readonly data: Float32Array;
}

/** One value per channel; NaN = missing. */
export interface VectorValue {
  /** Discriminator. */
  readonly kind: "vector";
  /** Values, NaN = missing. */
  readonly data: Float32Array;
}

/** Free text. */
export interface TextValue {
  /** Discriminator. */
  readonly kind: "text";
  /** The text. */
  readonly text: string;
}

/** A grey image, row-major [height][width], 0 to 255. */
export interface ImageValue {
  /** Discriminator. */
  readonly kind: "image";
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** Grey values. */
  readonly data: Uint8Array;
}

/** A waveform, row-major [samples][leads], in the unit of the manifest. */
export interface SignalValue {
  /** Discriminator. */
  readonly kind: "signal";
  /** Samples per lead. */
  readonly samples: number;
  /** Number of leads. */
  readonly leads: number;
  /** Samples per second. */
  readonly sampleRateHz: number;
  /** Samples. */
  readonly data: Int16Array;
}

/** What a record holds for one modality. */
export type ModalityValue = TimeseriesValue | VectorValue | TextValue | ImageValue | SignalValue;

/** A task's label: 0/1 (binary), class index (multiclass), 0/1 per class (multilabel), a number or a text. */
export type Label = number | string | readonly number[];

/** One record in memory. */
export interface DatasetRecord {
  /** Identifier, unique in the set. */
  readonly id: string;
  /** Who the record belongs to. */
  readonly patient: string;
  /** Values by modality; null = missing. */
  readonly values: ReadonlyMap<string, ModalityValue | null>;
  /** Labels by task; null = not labelled for this task. */
  readonly labels: ReadonlyMap<string, Label | null>;
  /** The question of every task with its `{fields}` filled in. */
  readonly questions: ReadonlyMap<string, string>;
  /** Values of the fields that a reader was asked for, null where a record has none; absent where it was not asked. */
  readonly attributes?: ReadonlyMap<string, string | number | null>;
}

/** A dataset folder in memory. */
export interface Dataset {
  /** The folder. */
  readonly dir: string;
  /** Its manifest. */
  readonly manifest: DatasetManifest;
  /** Its records in the order of the file. */
  readonly records: readonly DatasetRecord[];
}

/**
 * The privacy unit that a record belongs to: the record itself, or whoever `patientField` names.
 *
 * @param manifest gives the unit
 * @param record a record of that set
 */
export function unitOf(manifest: DatasetManifest, record: DatasetRecord): string {
  return manifest.privacyUnit === "record" ? record.id : record.patient;
}

/**
 * The tasks of a set by name.
 *
 * @param manifest a dataset's manifest
 */
export function taskByName(manifest: DatasetManifest): Map<string, TaskManifest> {
  return new Map(manifest.tasks.map((task) => [task.name, task]));
}
