/** A message that waits for one site. `sequence` starts at 1 and grows by one. */
export interface Letter {
  /** Position in the site's mailbox. */
  readonly sequence: number;
  /** What the body is, see {@link LetterKind}. */
  readonly kind: LetterKind;
  /** The aggregation step it belongs to; 0 outside of any. */
  readonly round: number;
  /** The message itself. */
  readonly body: Uint8Array<ArrayBuffer>;
}

/** `plan`: signed plan; `round`: signed round configuration; `secagg`: a protocol message; `abort`, `done`: ends. */
export type LetterKind = "plan" | "round" | "secagg" | "abort" | "done";

/** Ordered messages for one site, fetched by long poll; a fetched message stays until a later one is asked for. */
export class Mailbox {
  #letters: Letter[] = [];
  #next = 1;
  #delivered = 0;
  #closed = false;
  #waiters = new Set<() => void>();

  /** Adds a message and wakes a waiting poll. */
  post(kind: LetterKind, round: number, body: Uint8Array): void {
    this.#letters.push({ sequence: this.#next++, kind, round, body: new Uint8Array(body) });
    for (const wake of this.#waiters) wake();
  }

  /** Forgets what a site has not fetched yet, when it joins anew: old rounds are over for it. */
  clear(): void {
    this.#letters = [];
  }

  /** True when the newest message has been handed out. */
  get emptied(): boolean {
    return this.#delivered === this.newest;
  }

  /** Drops what was not fetched of earlier steps: they are over, and would only cost a slow site its budget. */
  dropRoundsBefore(round: number): void {
    this.#letters = this.#letters.filter((letter) => letter.round === 0 || letter.round >= round);
  }

  /** Sequence number of the newest message, 0 when none was ever posted. */
  get newest(): number {
    return this.#next - 1;
  }

  /** True while a poll waits for the next message: the site is there. */
  get awaited(): boolean {
    return this.#waiters.size > 0;
  }

  /** Ends all waiting: the federation is over. */
  close(): void {
    this.#closed = true;
    for (const wake of this.#waiters) wake();
  }

  /**
   * The first message after `after`, waiting up to `timeoutMs` for one.
   * @param after the last sequence number that the site has handled; older messages are dropped
   * @param timeoutMs how long to wait, milliseconds
   */
  async take(after: number, timeoutMs: number): Promise<Letter | undefined> {
    this.#letters = this.#letters.filter((letter) => letter.sequence > after);
    if (this.#letters.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          this.#waiters.delete(done);
          resolve();
        };
        const timer = setTimeout(done, timeoutMs);
        this.#waiters.add(done);
      });
    }
    const letter = this.#letters.find((candidate) => candidate.sequence > after);
    if (letter !== undefined) this.#delivered = Math.max(this.#delivered, letter.sequence);
    return letter;
  }
}
