import { type MaskEngine, type MaskWorkerPool, maskWorkerPool } from "../../secure_agg/mod.ts";

/** Words of key stream above which Workers are worth their start: about a tenth of a second of one core. */
const WORTH_WORDS = 2 ** 26;

/** An engine that starts Workers when the first large sum comes, and keeps them until it is closed. */
export interface PooledEngine extends MaskEngine {
  /** Ends the Workers. */
  close(): void;
}

/**
 * Masks by the Workers of this process, or by this thread where that is faster.
 * @param alone expands small sums, and all of them where there is one core
 * @param size number of Workers; the machine's cores by default
 */
export function pooledEngine(alone: MaskEngine, size: number = navigator.hardwareConcurrency): PooledEngine {
  let pool: MaskWorkerPool | undefined;
  return {
    name: `pooled-${size}`,
    apply(words, jobs, first) {
      if (size < 2 || words.length * jobs.length < WORTH_WORDS) return alone.apply(words, jobs, first);
      pool ??= maskWorkerPool(size);
      return pool.apply(words, jobs, first);
    },
    close() {
      pool?.close();
      pool = undefined;
    },
  };
}
