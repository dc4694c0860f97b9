/** A desk whose stage and step a test moves by hand. */
export class TestDesk {
  readonly mailboxes = new Map<string, unknown>([["a", 1], ["b", 1]]);
  stage = "waiting for sites";
  #step: { round: number; phase: string } | undefined;
  readonly #listeners = new Set<() => void>();

  move(stage: string, step?: { round: number; phase: string }): void {
    this.stage = stage;
    this.#step = step;
    for (const listener of this.#listeners) listener();
  }

  liveStep(): { round: number; phase: string; answered: string[]; expected: string[] } | undefined {
    return this.#step && { ...this.#step, answered: [], expected: [] };
  }

  status(): { stage: string; step: number | null; present: number } {
    return { stage: this.stage, step: this.#step?.round ?? null, present: 2 };
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
