/** Whoever takes part in a federation of the tests, in a process of its own or in this one. */
export interface Party {
  /** What it wrote, of all of its lives. */
  readonly log: string;
  /** Times that it died by SIGKILL. */
  readonly deaths: number;
  /** Exit status of its last life; undefined where it was not started again after SIGKILL. */
  readonly ended: Promise<number | undefined>;
  /** Ends it for good. */
  close(): Promise<void>;
}
