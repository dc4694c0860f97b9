import { FedKimError } from "../formats/errors.ts";
import type { Fence, Store } from "./store/mod.ts";
import { pause } from "./pause.ts";

/** How long a leader that is not heard of keeps the lead, milliseconds. */
export const LEASE_MS = 5_000;
/** Between two renewals, and between two tries of a replica that waits, milliseconds. */
const RENEW_MS = 1_000;

/** One term of leadership. */
export interface Term {
  /** Goes with every durable write. */
  readonly fence: Fence;
  /** Aborts when the lead is lost, or when the service is to stop. */
  readonly signal: AbortSignal;
  /** Gives the lead back, so that another replica need not wait. */
  end(): Promise<void>;
}

/** What a candidate needs. */
export interface LeadershipOptions {
  /** Shared by all replicas. */
  readonly store: Store;
  /** Name of the federation. */
  readonly federation: string;
  /** Address under which other replicas reach this one. */
  readonly address: string;
  /** Stops the service. */
  readonly signal: AbortSignal;
  /** Called with the leader's address while another replica leads, and with nothing once this one does. */
  readonly onLeader: (address: string | undefined) => void;
}

const SPACE = "leader";

/**
 * Waits for the lead: at most one replica has it at a time, and one whose process stopped or lost the database for
 * {@link LEASE_MS} loses it. What such a replica still tries to write is refused by its fence.
 * @throws the signal's reason
 */
export async function lead(options: LeadershipOptions): Promise<Term> {
  const { store, federation, address, signal } = options;
  const owner = crypto.randomUUID();
  for (;;) {
    signal.throwIfAborted();
    const fence = await unlessUnreachable(() => store.acquire(`leader/${federation}`, owner, LEASE_MS));
    if (fence !== undefined) {
      const written = await unlessUnreachable(async () => {
        await store.put(SPACE, federation, new TextEncoder().encode(address), fence);
        return true;
      });
      if (written) {
        options.onLeader(undefined);
        return termOf(store, fence, signal);
      }
    } else options.onLeader(await unlessUnreachable(() => leaderAddress(store, federation)));
    await pause(RENEW_MS, signal);
  }
}

/** Address of the replica that leads, or led last. */
async function leaderAddress(store: Store, federation: string): Promise<string | undefined> {
  const bytes = await store.get(SPACE, federation);
  return bytes && new TextDecoder().decode(bytes);
}

function termOf(store: Store, fence: Fence, stop: AbortSignal): Term {
  const lost = new AbortController();
  let heard = performance.now();
  let renewing = false;
  const lose = () => lost.abort(lostLead());
  const timer = setInterval(async () => {
    if (renewing) return;
    renewing = true;
    try {
      const before = performance.now();
      if (await store.renew(fence, LEASE_MS)) heard = before;
      else lose();
    } catch {
      if (performance.now() - heard > LEASE_MS) lose();
    } finally {
      renewing = false;
    }
  }, RENEW_MS);
  return {
    fence,
    signal: AbortSignal.any([stop, lost.signal]),
    end: async () => {
      clearInterval(timer);
      await unlessUnreachable(() => store.release(fence));
    },
  };
}

/** Undefined where the database does not answer just now. */
async function unlessUnreachable<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FedKimError && error.code === "StoreError") return undefined;
    throw error;
  }
}

function lostLead(): FedKimError {
  return new FedKimError("StoreError", "Another replica may lead now.", {
    reason: "fenced",
    remedy: "let it go on; this one takes part again when the lead is free",
  });
}
