/** Ticks without any sign of progress after which a run stands still. */
const TICKS = 600;
const TICK_MS = 1_000;

/**
 * Notices a run that does not go on. It counts its own ticks since anybody said anything, and no time of day: a machine
 * that was stopped, or has no time for this process, has not ticked either.
 */
export class Standstill {
  /** Rejects when nothing has moved for too long. */
  readonly reached: Promise<never>;
  #left = TICKS;
  readonly #timer: ReturnType<typeof setInterval>;

  /** Begins to count. */
  constructor() {
    const { promise, reject } = Promise.withResolvers<never>();
    this.reached = promise;
    promise.catch(() => {}); // nobody may be waiting for it
    this.#timer = setInterval(() => {
      if (--this.#left === 0) reject(new Error(`the run stands still: nothing for ${TICKS} ticks`));
    }, TICK_MS);
  }

  /** Something has moved. */
  moved(): void {
    this.#left = TICKS;
  }

  /** Ends counting. */
  stop(): void {
    clearInterval(this.#timer);
  }
}
