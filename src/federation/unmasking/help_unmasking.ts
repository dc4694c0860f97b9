import type { MaskEngine } from "../../secure_agg/mod.ts";
import { FedKimError } from "../../formats/errors.ts";
import { pause } from "../pause.ts";
import type { Store } from "../store/mod.ts";
import { callsOf, workShard } from "./shared_engine.ts";

/** Longest wait for word of a new sum, and pause while the store is away, milliseconds. */
const WAIT_MS = 10_000;
const AWAY_MS = 1_000;

/**
 * Works on the ranges of every sum that the leading replica shares, until the signal aborts.
 * @param store of all replicas
 * @param federation name of the federation
 * @param engine expands the masks
 * @param signal ends it; a range under way is finished by another replica
 */
export async function helpUnmasking(
  store: Store,
  federation: string,
  engine: MaskEngine,
  signal: AbortSignal,
): Promise<void> {
  const calls = callsOf(federation);
  for (let seen = 0; !signal.aborted;) {
    try {
      if (!await store.wait(calls, seen, WAIT_MS, signal)) continue;
      const entries = await store.read(calls, seen, 16);
      // A trimmed call is an old one.
      seen = entries.at(-1)?.sequence ?? await store.newest(calls);
      const queue = entries.at(-1) && new TextDecoder().decode(entries.at(-1)!.body);
      while (queue !== undefined && !signal.aborted && await workShard(store, queue, engine));
    } catch (error) {
      if (!(error instanceof FedKimError && error.code === "StoreError")) throw error;
      await pause(AWAY_MS, signal);
    }
  }
}
