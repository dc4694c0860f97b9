import { fastestEngine, type MaskEngine, type MaskJob } from "./mask_engine.ts";
import type { MaskAnswer, MaskTask } from "./mask_worker.ts";

/** A mask engine on several Workers; call {@link MaskWorkerPool.close} when it is not needed any more. */
export interface MaskWorkerPool extends MaskEngine {
  /** Ends the Workers; an `apply` under way is rejected. */
  close(): void;
}

/** Coordinates are handed out in pieces of this size: a whole number of ChaCha20 blocks, and small to copy. */
const PIECE_WORDS = 1 << 18;

/** Words of a piece: short vectors are cut into one for every Worker, in whole ChaCha20 blocks. */
export function pieceWords(words: number, workers: number): number {
  return Math.min(PIECE_WORDS, 16 * Math.ceil(words / workers / 16));
}

/**
 * Expands masks by ranges of coordinates on `size` Workers. ChaCha20 can start at any block, so every Worker makes all
 * masks of its own range, and nothing but that range travels.
 * @param size number of Workers, at least 1
 */
export function maskWorkerPool(size: number): MaskWorkerPool {
  const waiting = new Map<
    number,
    { resolve: (answer: MaskAnswer) => void; reject: (error: Error) => void }
  >();
  const failAll = (reason: string): void => {
    for (const { reject } of waiting.values()) reject(new Error(reason));
    waiting.clear();
  };
  const workers = Array.from({ length: size }, () => {
    const worker = new Worker(new URL("./mask_worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<MaskAnswer>): void => {
      waiting.get(data.id)?.resolve(data);
      waiting.delete(data.id);
    };
    worker.onerror = (event): void => {
      event.preventDefault();
      failAll("a Worker of the mask pool failed");
    };
    return worker;
  });
  let nextId = 0;

  const run = (worker: Worker, task: Omit<MaskTask, "id">): Promise<MaskAnswer> =>
    new Promise((resolve, reject) => {
      const id = nextId++;
      waiting.set(id, { resolve, reject });
      const message: MaskTask = { id, ...task };
      worker.postMessage(message, [task.words.buffer]);
    });

  const apply = async (words: Uint32Array, jobs: readonly MaskJob[], first: number): Promise<void> => {
    const size = pieceWords(words.length, workers.length);
    const pieces = Math.ceil(words.length / size);
    const engine = fastestEngine().name;
    let next = 0;
    await Promise.all(workers.map(async (worker) => {
      while (next < pieces) {
        const start = size * next++;
        const piece = words.slice(start, start + size);
        const answer = await run(worker, { words: piece, jobs, first: first + start, engine });
        words.set(answer.words, start);
      }
    }));
  };
  const close = (): void => {
    failAll("the mask pool was closed");
    for (const worker of workers) worker.terminate();
  };
  return { name: `workers-${size}`, apply, close };
}
