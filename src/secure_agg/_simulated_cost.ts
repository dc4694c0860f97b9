import type { CryptoProvider } from "./crypto_provider.ts";
import type { SavedWork } from "./_metered_provider.ts";

/** Reads CPU seconds of this process; the caller knows how on its platform. */
export type CpuClock = () => number;

/** What one simulated party has cost so far. */
export interface Meter {
  /** CPU seconds of the work that was done. */
  cpuSeconds: number;
  /** CPU seconds of work that was computed for another party already: the party would have had to repeat it. */
  savedSeconds: number;
  /** Bytes sent. */
  sent: number;
  /** Bytes received. */
  received: number;
  /** Largest sum of state, vector and messages at hand at a time. */
  memoryBytes: number;
}

/** A party that has cost nothing yet. */
export function newMeter(): Meter {
  return { cpuSeconds: 0, savedSeconds: 0, sent: 0, received: 0, memoryBytes: 0 };
}

/** The median of some quantities; 0 of none. */
export function medianOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.toSorted((a, b) => a - b)[values.length >>> 1];
}

/** CPU seconds of one operation here, to charge work that was not repeated. */
export interface UnitCosts {
  /** One X25519 agreement. */
  readonly agreement: number;
  /** One key derived by HKDF. */
  readonly derivation: number;
  /** One Ed25519 verification. */
  readonly verification: number;
}

const REPEATS = 400;
/** Keys of one call of X25519, about as many as a site has neighbours. */
const AT_ONCE = 40;

/** Measures the unit costs. */
export function measureUnits(provider: CryptoProvider, clock: CpuClock): UnitCosts {
  const secret = new Uint8Array(32).fill(7);
  const message = new Uint8Array(200);
  const keys = Array<Uint8Array>(AT_ONCE).fill(provider.x25519PublicKey(new Uint8Array(32).fill(9)));
  const identityKey = provider.ed25519PublicKey(secret);
  const signature = provider.ed25519Sign(secret, message);
  const perCall = (run: () => unknown, repeats: number): number => {
    for (let i = 0; i < repeats / 4; i++) run();
    const start = clock();
    for (let i = 0; i < repeats; i++) run();
    return (clock() - start) / repeats;
  };
  return {
    agreement: perCall(() => keys.map(provider.x25519(secret)), REPEATS / AT_ONCE) / AT_ONCE,
    derivation: perCall(() => provider.hkdf(secret, secret, secret, 32), REPEATS),
    verification: perCall(() => provider.ed25519Verify(identityKey, message, signature), REPEATS),
  };
}

/** Charges parties for their steps, one after the other. */
export class Cashier {
  readonly #clock: CpuClock;
  readonly #saved: SavedWork;
  readonly #units: UnitCosts;
  #last: number;

  /** @param saved counts the work that is charged although it was not repeated */
  constructor(clock: CpuClock, saved: SavedWork, units: UnitCosts) {
    this.#clock = clock;
    this.#saved = saved;
    this.#units = units;
    this.#last = clock();
  }

  /** What happened since the last step was nobody's work. */
  skip(): void {
    this.#last = this.#clock();
  }

  /**
   * Runs a step of one party and charges it: the time since the last step, for asking the time twice would cost as much
   * as a small message, and the time that was saved.
   */
  async charge<T>(meter: Meter, run: () => T | Promise<T>): Promise<T> {
    const before = { ...this.#saved };
    try {
      return await run();
    } finally {
      this.#settle(meter, before);
    }
  }

  /** The same for a step that does not wait. */
  chargeNow<T>(meter: Meter, run: () => T): T {
    const before = { ...this.#saved };
    try {
      return run();
    } finally {
      this.#settle(meter, before);
    }
  }

  #settle(meter: Meter, before: SavedWork): void {
    const now = this.#clock();
    const [saved, unit] = [this.#saved, this.#units];
    meter.cpuSeconds += now - this.#last;
    meter.savedSeconds += (saved.agreements - before.agreements) * unit.agreement +
      (saved.derivations - before.derivations) * unit.derivation +
      (saved.verifications - before.verifications) * unit.verification;
    this.#last = now;
  }
}
