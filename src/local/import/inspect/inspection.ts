import type { ModalityKind, TaskType } from "../../../formats/dataset_manifest.ts";
import type { ImportWarning } from "../import_report.ts";

/** Statistics of one channel. They are computed from private records and stay at the site. */
export interface ChannelInspection {
  /** Name. */
  readonly name: string;
  /** Unit, if stated. */
  readonly unit: string | undefined;
  /** Values that are there. */
  readonly count: number;
  /** Share of values that are missing, among records that have the modality. */
  readonly missing: number;
  /** Mean; absent without values. */
  readonly mean?: number;
  /** Smallest value. */
  readonly min?: number;
  /** Median of a sample of up to 4096 values. */
  readonly median?: number;
  /** Largest value. */
  readonly max?: number;
  /** 5 % and 95 % quantiles of that sample: the ends of the histogram. */
  readonly range?: readonly [number, number];
  /** Shares of the sample in equal bins over {@link range}. */
  readonly histogram?: readonly number[];
}

/** One modality. */
export interface ModalityInspection {
  /** Name. */
  readonly name: string;
  /** How it is stored. */
  readonly kind: ModalityKind;
  /** Records that have it. */
  readonly present: number;
  /** Records that lack it. */
  readonly missing: number;
  /** Shape of an image or a signal. */
  readonly shape?: readonly number[];
  /** Channels of vectors and timeseries; grey values, leads and lengths in characters of the others. */
  readonly channels: readonly ChannelInspection[];
}

/** One task. */
export interface TaskInspection {
  /** Name. */
  readonly name: string;
  /** What the answer is. */
  readonly type: TaskType;
  /** Whether it is trained. */
  readonly role: "train" | "unseen";
  /** Records with a label. */
  readonly labelled: number;
  /** Records by class (binary: 0 and 1), or positives by class (multilabel); empty for other types. */
  readonly balance: Readonly<Record<string, number>>;
}

/** What `dataset inspect` knows about one folder. */
export interface DatasetInspection {
  /** Name of the set. */
  readonly name: string;
  /** The folder. */
  readonly dir: string;
  /** Who the guarantee is stated for. */
  readonly privacyUnit: string;
  /** Records. */
  readonly records: number;
  /** Patients. */
  readonly patients: number;
  /** Records per patient: fewest, median, most. */
  readonly recordsPerPatient: readonly [number, number, number];
  /** Modalities. */
  readonly modalities: readonly ModalityInspection[];
  /** Tasks. */
  readonly tasks: readonly TaskInspection[];
  /** Findings, most frequent first. */
  readonly warnings: readonly ImportWarning[];
}
