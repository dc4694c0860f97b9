import type { MaskEngine, MaskJob } from "../../secure_agg/mod.ts";
import { FedKimError } from "../../formats/errors.ts";
import type { Fence, Job, Store } from "../store/mod.ts";
import { addWords, decodeShard, encodeShard, encodeWords } from "./shard.ts";

/** Words of key stream above which a sum is shared: about half a second of one core. */
const WORTH_WORDS = 2 ** 28;
/** Ranges of a sum at least, so that replicas of unequal speed end together. */
const SHARDS = 16;
/** Largest range in coordinates: a result of one megabyte. */
const SHARD_WORDS = 2 ** 18;
/** How long a replica may take for a range before another one takes it, milliseconds. */
export const CLAIM_MS = 30_000;
/** Between two looks for a claim that was given up, milliseconds. */
const LOOK_MS = 1_000;

/** What the leader needs to share its sums. */
export interface SharedEngineOptions {
  /** Store of all replicas. */
  readonly store: Store;
  /** Name of the federation. */
  readonly federation: string;
  /** Proof that this replica leads. */
  readonly fence: Fence | undefined;
  /** Expands this replica's own ranges. */
  readonly engine: MaskEngine;
  /** Words of key stream above which a sum is shared; about half a second of one core by default. */
  readonly worthWords?: number;
}

/** Stream in which the leader names the queues that there is work in. */
export function callsOf(federation: string): string {
  return `unmask/${federation}`;
}

/** Claims one range of a queue, works it out and hands it in; false where there is none to claim. */
export async function workShard(
  store: Store,
  queue: string,
  engine: MaskEngine,
  keep?: (job: Job, words: Uint32Array) => void,
): Promise<boolean> {
  const job = await store.claim(queue, CLAIM_MS);
  if (job === undefined) return false;
  const { first, length, jobs } = decodeShard(job.payload);
  const words = new Uint32Array(length);
  await engine.apply(words, jobs, first);
  for (const { key } of jobs) key.fill(0);
  keep?.(job, words);
  // What this process keeps itself need not travel.
  if (await store.finish(job, keep === undefined ? encodeWords(words) : new Uint8Array())) {
    await store.append(queue, [new TextEncoder().encode(job.key)]);
  }
  return true;
}

/**
 * An engine that shares a large sum with the other replicas, and does alone what is small or what the store does not
 * give back. Every range is worked out from zero and added only once all are there, so no failure leaves half a sum.
 */
export function sharedEngine(options: SharedEngineOptions): MaskEngine {
  const { engine, worthWords = WORTH_WORDS } = options;
  let sums = 0;
  return {
    name: `shared-${engine.name}`,
    async apply(words, jobs, first) {
      if (words.length * jobs.length < worthWords) return await engine.apply(words, jobs, first);
      const { federation, fence } = options;
      const queue = `${callsOf(federation)}/${fence?.token ?? 0}/${crypto.randomUUID()}/${++sums}`;
      const size = Math.min(SHARD_WORDS, 16 * Math.ceil(words.length / SHARDS / 16));
      let parts: ReadonlyMap<string, Uint8Array>;
      try {
        parts = await shared(options, queue, words.length, jobs, first, size);
      } catch (error) {
        if (!(error instanceof FedKimError && error.code === "StoreError")) throw error;
        return await engine.apply(words, jobs, first);
      }
      for (let at = 0; at < words.length; at += size) {
        addWords(words.subarray(at, at + size), parts.get(keyOf(at))!);
      }
    },
  };
}

/** The sums of all masks over every range, by the name of the range. */
async function shared(
  { store, federation, fence, engine }: SharedEngineOptions,
  queue: string,
  length: number,
  jobs: readonly MaskJob[],
  first: number,
  size: number,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const parts = new Map<string, Uint8Array>();
  const count = Math.ceil(length / size);
  try {
    for (let at = 0; at < length; at += size) {
      const shard = { first: first + at, length: Math.min(size, length - at), jobs };
      await store.enqueue(queue, keyOf(at), encodeShard(shard));
    }
    // Refused where another replica leads by now: nobody works for an aggregator that has lost the lead.
    const call = await store.append(callsOf(federation), [new TextEncoder().encode(queue)], fence);
    await store.trim(callsOf(federation), call - 1, fence);
    const keep = (job: Job, words: Uint32Array) => parts.set(job.key, encodeWords(words));
    for (let done = 0; done < count;) {
      if (!await workShard(store, queue, engine, keep)) await store.wait(queue, done, LOOK_MS);
      done = await store.newest(queue);
    }
    for (const { key, result } of await store.results(queue)) {
      if (!parts.has(key)) parts.set(key, result);
    }
    return parts;
  } finally {
    await forget(store, queue);
  }
}

/** Leaves nothing of a queue behind, as far as the store can be reached. */
async function forget(store: Store, queue: string): Promise<void> {
  try {
    await store.drop(queue);
    await store.forget(queue);
  } catch (error) {
    if (!(error instanceof FedKimError && error.code === "StoreError")) throw error;
  }
}

function keyOf(at: number): string {
  return String(at).padStart(10, "0");
}
