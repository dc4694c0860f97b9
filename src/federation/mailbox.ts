/** A message that waits for one site. */
export interface Letter {
  /** Its number, see `letter_order.ts`; a later letter has a larger one. */
  readonly sequence: number;
  /** What the body is, see {@link LetterKind}. */
  readonly kind: LetterKind;
  /** The aggregation step it belongs to; 0 outside of any. */
  readonly round: number;
  /** The message itself. */
  readonly body: Uint8Array<ArrayBuffer>;
}

/** A letter as it is posted: a large body may be made when it is fetched, the same one every time. */
export interface PostedLetter extends Omit<Letter, "body"> {
  /** The message, or what makes it. */
  readonly body: Letter["body"] | (() => Letter["body"]);
}

/** `plan`: signed plan; `round`: signed round configuration; `secagg`: a protocol message; `abort`, `done`: ends. */
export const LETTER_KINDS = ["plan", "round", "secagg", "abort", "done"] as const;

/** One of {@link LETTER_KINDS}. */
export type LetterKind = typeof LETTER_KINDS[number];

/**
 * What one site may still need, fetched by long poll: the plan, and what the present step says now. A letter stays until
 * a newer one replaces it, so a lost answer is given again.
 */
export class Mailbox {
  #letters: PostedLetter[] = [];
  #handled = 0;
  #closed = false;
  readonly #waiters = new Set<() => void>();

  /** @param since newest step when the site joined: it takes part in later ones only */
  constructor(readonly since: number = 0) {}

  /**
   * Adds a letter and wakes a waiting poll. A step's order, and each of its protocol messages, replaces whatever was not
   * fetched of this and older steps: to answer it late would only cost a slow site its budget.
   */
  post(letter: PostedLetter): void {
    const { sequence, kind, round } = letter;
    if (round > 0 && round <= this.since) return;
    if (this.#letters.some((old) => old.sequence === sequence)) return;
    const replaces = kind === "round" || kind === "secagg";
    this.#letters = this.#letters.filter((old) => old.round === 0 || (old.round === round && !replaces));
    this.#letters.push(letter);
    for (const wake of this.#waiters) wake();
  }

  /** Takes back what was not fetched of a step that goes on without this site. */
  retract(round: number): void {
    this.#letters = this.#letters.filter((old) => old.round !== round);
  }

  /** True when the site has asked for what follows the newest letter: an answer that was handed out may be lost. */
  get emptied(): boolean {
    return this.#letters.every((letter) => letter.sequence <= this.#handled);
  }

  /** True while a poll waits for the next letter: the site is there. */
  get awaited(): boolean {
    return this.#waiters.size > 0;
  }

  /** Ends all waiting: the federation is over, or the site has joined anew. */
  close(): void {
    this.#closed = true;
    for (const wake of this.#waiters) wake();
  }

  /**
   * The first letter after `after`, waiting up to `timeoutMs` for one; nothing follows the last letter of a run.
   * @param after the last number that the site has handled
   * @param timeoutMs how long to wait, milliseconds
   */
  async take(after: number, timeoutMs: number): Promise<Letter | undefined> {
    this.#handled = Math.max(this.#handled, after);
    const over = this.#letters.some(({ kind, sequence }) => kind === "done" && sequence <= after);
    if (this.#first(after) === undefined && !this.#closed && !over) {
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
    const letter = this.#first(after);
    if (letter === undefined) return undefined;
    const { body } = letter;
    return { ...letter, body: typeof body === "function" ? body() : body };
  }

  #first(after: number): PostedLetter | undefined {
    return this.#letters.filter((letter) => letter.sequence > after)
      .reduce<PostedLetter | undefined>(
        (first, letter) => first === undefined || letter.sequence < first.sequence ? letter : first,
        undefined,
      );
  }
}
