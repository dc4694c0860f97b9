import { pause } from "../pause.ts";

/**
 * Work that many ask for, begun at most once in a while: whoever asks in between shares a result, and gets one that was
 * begun after the last change.
 */
export class Paced<T> {
  #latest: { readonly result: Promise<T>; readonly begun: number } | undefined;
  #next: Promise<T> | undefined;
  #changed = false;

  /**
   * @param work what is asked for
   * @param intervalMs shortest time between two beginnings, milliseconds
   * @param wait resolves after so many milliseconds
   * @param now milliseconds of a clock that never goes back
   */
  constructor(
    private readonly work: () => Promise<T>,
    private readonly intervalMs: number,
    private readonly wait: (ms: number) => Promise<unknown> = (ms) => pause(ms, new AbortController().signal),
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Says that what is known is out of date. */
  touch(): void {
    this.#changed = true;
  }

  /** A result of now, or one that is younger than the interval and from after the last change. */
  get(): Promise<T> {
    const age = this.#latest === undefined ? Infinity : this.now() - this.#latest.begun;
    if (age >= this.intervalMs && this.#next === undefined) return this.#begin();
    if (this.#latest !== undefined && !this.#changed) return this.#latest.result;
    return this.#next ??= this.wait(this.intervalMs - age).then(() => this.#begin());
  }

  #begin(): Promise<T> {
    this.#next = undefined;
    this.#changed = false;
    const result = this.work();
    this.#latest = { result, begun: this.now() };
    return result;
  }
}
