/** Limits of one kind of caller. */
export interface RateLimit {
  /** Requests that may come at once. */
  readonly burst: number;
  /** Requests per second that may follow for ever. */
  readonly perSecond: number;
}

/**
 * Who counts as one caller behind an address: an IPv6 network of 64 bits, which is what one customer gets and may take
 * every address of, or an IPv4 address, also where it is written as an IPv6 one.
 */
export function callerOf(address: string): string {
  if (!address.includes(":")) return address;
  const [plain] = address.toLowerCase().split("%");
  const mapped = /^(?:0{0,4}:)*:?ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain);
  if (mapped !== null) return mapped[1];
  const [left, right] = plain.split("::");
  const groups = (text: string | undefined) => text === undefined || text === "" ? [] : text.split(":");
  const head = groups(left);
  const zeros = right === undefined ? 0 : Math.max(0, 8 - head.length - groups(right).length);
  const whole = [...head, ...new Array<string>(zeros).fill("0"), ...groups(right)];
  return `${whole.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
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
