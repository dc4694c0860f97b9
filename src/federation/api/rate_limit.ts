/** Limits of one kind of caller. */
export interface RateLimit {
  /** Requests that may come at once. */
  readonly burst: number;
  /** Requests per second that may follow for ever. */
  readonly perSecond: number;
}

/** Callers that are remembered at most; the longest unseen are forgotten first. */
const MAX_CALLERS = 100_000;

interface Bucket {
  tokens: number;
  at: number;
}

/** Token buckets by caller (Turner 1986, leaky bucket as a meter): bounded in memory, no timers. */
export class RateLimiter {
  readonly #buckets = new Map<string, Bucket>();

  /** @param limit see {@link RateLimit} */
  constructor(private readonly limit: RateLimit) {}

  /**
   * Takes a token of a caller.
   * @param now milliseconds of a clock that never goes back
   * @returns 0 when the request may pass, otherwise seconds to wait
   */
  take(caller: string, now: number = performance.now()): number {
    const { burst, perSecond } = this.limit;
    const old = this.#buckets.get(caller);
    const tokens = old === undefined
      ? burst
      : Math.min(burst, old.tokens + Math.max(0, now - old.at) / 1000 * perSecond);
    this.#buckets.delete(caller);
    const passes = tokens >= 1;
    this.#buckets.set(caller, { tokens: passes ? tokens - 1 : tokens, at: now });
    if (this.#buckets.size > MAX_CALLERS) this.#buckets.delete(this.#buckets.keys().next().value!);
    return passes ? 0 : Math.ceil((1 - tokens) / perSecond);
  }
}
