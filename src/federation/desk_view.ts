import type { Status } from "./api/mod.ts";
import type { LiveStep, SiteDesk } from "./site_desk.ts";

const NOBODY = { size: 0 };

/** What observers see of the desk: that of the term which this process leads, or of none while another replica leads. */
export class DeskView {
  #desk: SiteDesk | undefined;
  #stop: () => void = () => {};
  readonly #listeners = new Set<() => void>();

  /** @param federation name of the federation */
  constructor(private readonly federation: string) {}

  /** Shows a desk from now on, or none. */
  show(desk: SiteDesk | undefined): void {
    this.#stop();
    this.#desk = desk;
    this.#stop = desk?.subscribe(() => this.#changed()) ?? (() => {});
    this.#changed();
  }

  /** What the aggregator is doing. */
  get stage(): string {
    return this.#desk?.stage ?? "following";
  }

  /** The step in progress. */
  liveStep(): LiveStep | undefined {
    return this.#desk?.liveStep();
  }

  /** See `SiteDesk`. */
  status(): Status {
    return this.#desk?.status() ??
      { federation: this.federation, stage: this.stage, step: null, present: 0 };
  }

  /** Sites that have joined. */
  get mailboxes(): { readonly size: number } {
    return this.#desk?.mailboxes ?? NOBODY;
  }

  /** Calls back after anything has changed; returns how to stop. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
