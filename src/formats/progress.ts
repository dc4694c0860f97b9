/** How far a long stage is; the caller decides whether to draw, log or ignore it. */
export interface ProgressEvent {
  /** Name of the stage, e.g. `pretrain`, `round`, `inject`, `evaluate`. */
  readonly stage: string;
  /** Units done. */
  readonly done: number;
  /** Units in all. */
  readonly total: number;
  /** A short public remark, e.g. a validation metric; never anything of a record or of one site. */
  readonly detail?: string;
}

/** Receives progress. */
export type OnProgress = (event: ProgressEvent) => void;
