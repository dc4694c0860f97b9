import { LARGEST_INPUT } from "./mutate.ts";

/** What the watcher is told. */
export interface WatchMessage {
  /** Number of the present input, its length, its bytes. */
  readonly shared: SharedArrayBuffer;
  /** Where to write an input that never ends. */
  readonly path: string;
  /** Processor seconds that one input may take; eight times that on the clock. */
  readonly seconds: number;
}

/**
 * Watches this process from a worker: a parser that never returns cannot be interrupted, so the process is killed and
 * the input stays in a file.
 *
 * @param path where to write the input
 * @param seconds how long one input may take, processor seconds; eight times that on the clock
 * @returns what to call before each input, and how to end the watch
 */
export function watch(
  path: string,
  seconds: number,
): { before: (input: Uint8Array) => void; stop: () => void } {
  const shared = new SharedArrayBuffer(8 + 4 * LARGEST_INPUT);
  const head = new Int32Array(shared, 0, 2);
  const bytes = new Uint8Array(shared, 8);
  const worker = new Worker(new URL("watch_worker.ts", import.meta.url), { type: "module" });
  const message: WatchMessage = { shared, path, seconds };
  worker.postMessage(message);
  return {
    before: (input) => {
      bytes.set(input.subarray(0, bytes.length));
      Atomics.store(head, 1, Math.min(input.length, bytes.length));
      Atomics.add(head, 0, 1);
    },
    stop: () => worker.terminate(),
  };
}
