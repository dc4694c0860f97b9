import type { PlanEnd } from "./_federation.ts";

/**
 * Keeps the plans of a federation that lives on apart. A replica that comes back just as another one ends the plan
 * finds it over and begins the next one; so nobody joins that before everything of the last one has been looked at.
 */
export class PlanPages {
  #last: string | undefined;
  #turned: PromiseWithResolvers<void> = Promise.withResolvers();
  /** One page at a time. */
  #turning: Promise<void> = Promise.resolve();

  /**
   * @param over how the newest plan ended; undefined while it goes on
   * @param turn called once for each plan that is over, before anybody joins the next one
   */
  constructor(
    private readonly over: () => Promise<PlanEnd | undefined>,
    private readonly turn: (end: PlanEnd) => Promise<void>,
  ) {}

  /** To be called after each life of an aggregator, and before its next one: the last of a plan ends with it. */
  turnIfOver(): Promise<void> {
    const turning = this.#turning.then(async () => {
      const end = await this.over();
      if (end === undefined || end.planHash === this.#last) return;
      await this.turn(end);
      this.#last = end.planHash;
      this.release();
    });
    this.#turning = turning.catch(() => {});
    return turning;
  }

  /** To be awaited before a site joins: resolves at once while a plan goes on, else when its page is turned. */
  async opened(): Promise<void> {
    const { promise } = this.#turned;
    const end = await this.over();
    if (end !== undefined && end.planHash !== this.#last) await promise;
  }

  /** Lets whoever waits go on. */
  release(): void {
    this.#turned.resolve();
    this.#turned = Promise.withResolvers();
  }
}
