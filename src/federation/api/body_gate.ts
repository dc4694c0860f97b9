/** Bodies below this size pass without waiting: a thousand of them together are still few megabytes. */
export const LARGE_BYTES = 65_536;

/**
 * Back-pressure for large request bodies: only so many bytes of them are in memory at a time. A body that has to wait
 * stays in its sender's socket.
 */
export class BodyGate {
  #held = 0;
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];

  /** @param maxBytes bodies held at a time; a single larger one passes when nothing else is held */
  constructor(private readonly maxBytes: number) {}

  /** Bytes of bodies that are held now. */
  get held(): number {
    return this.#held;
  }

  /**
   * Does work that holds a body in memory, in the order of asking.
   * @param bytes length that the body announces; anything but a positive number holds nothing
   */
  async hold<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (!(bytes >= LARGE_BYTES)) return await work();
    if (this.#waiting.length > 0 || !this.#fits(bytes)) {
      await new Promise<void>((enter) => this.#waiting.push({ bytes, enter }));
    } else this.#held += bytes;
    try {
      return await work();
    } finally {
      this.#held -= bytes;
      this.#letIn();
    }
  }

  #fits(bytes: number): boolean {
    return this.#held === 0 || this.#held + bytes <= this.maxBytes;
  }

  /** Lets those in who fit now; their bytes count before they run. */
  #letIn(): void {
    while (this.#waiting.length > 0 && this.#fits(this.#waiting[0].bytes)) {
      const { bytes, enter } = this.#waiting.shift()!;
      this.#held += bytes;
      enter();
    }
  }
}
