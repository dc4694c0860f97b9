import type { RoutingReport } from "../../src/m3oe/mod.ts";

/** What is known about the judged records of one task. */
export interface TaskTruth {
  readonly role: "train" | "unseen";
  readonly set: string;
  /** 0 or 1 in a yes-or-no task, the reference answer in an open one. */
  readonly labels: readonly (number | string)[];
  /** Who each record belongs to: intervals are drawn over people, not records. */
  readonly people: readonly string[];
}

/** What a method says about the judged records of one task. */
export type TaskOutcome =
  | {
    readonly kind: "binary";
    readonly scores: readonly number[];
    /** From public validation data. */
    readonly threshold: number;
  }
  | { readonly kind: "open"; readonly answers: readonly string[] };

/** One injected model, judged. */
export interface Cell {
  /** Name of the setting, see `settingName`. */
  readonly setting: string;
  readonly method: string;
  readonly seed: number;
  readonly tasks: Readonly<Record<string, TaskOutcome>>;
}

/** All that a worker hands back for one job. */
export interface JobResult {
  readonly cells: readonly Cell[];
  readonly truth: Readonly<Record<string, TaskTruth>>;
  /** How FedKIM's gate routes the tasks. */
  readonly routing?: RoutingReport;
  /** Wall-clock time. */
  readonly seconds: number;
}
