/** How many event streams may be open at a time: each holds a connection and looks its member up at every event. */
export interface StreamLimits {
  /** Of one member: one for each open page. */
  readonly perMember: number;
  /** Of all members together. */
  readonly total: number;
}

/** Counts the event streams that are open. */
export class StreamCap {
  readonly #open = new Map<string, number>();
  #total = 0;

  /** @param limits see {@link StreamLimits} */
  constructor(private readonly limits: StreamLimits) {}

  /** Takes a place for a member's stream. @returns how to give it back, once; undefined where there is none */
  enter(member: string): (() => void) | undefined {
    const open = this.#open.get(member) ?? 0;
    if (open >= this.limits.perMember || this.#total >= this.limits.total) return undefined;
    this.#open.set(member, open + 1);
    this.#total++;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#total--;
      const rest = this.#open.get(member)! - 1;
      if (rest === 0) this.#open.delete(member);
      else this.#open.set(member, rest);
    };
  }
}
