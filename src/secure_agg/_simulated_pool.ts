import {
  type ActorStart,
  type ActorTools,
  SimulatedActor,
  type SiteReply,
  type SiteTask,
} from "./_simulated_actor.ts";
import type { WorkerAnswer, WorkerOrder } from "./_simulated_worker.ts";

/** Somebody who plays sites: this thread or a Worker. */
export interface SitePlayer {
  /** Answers of sites, in the order of the tasks. */
  step(tasks: readonly SiteTask[]): Promise<readonly SiteReply[]>;
  /** Ends a Worker. */
  close(): void;
}

/** Sites played in this thread. */
export function playHere(start: ActorStart, tools: ActorTools): SitePlayer {
  const actor = new SimulatedActor(start, tools);
  return { step: (tasks) => actor.step(tasks), close: () => {} };
}

/** Sites played in a Worker with its own clock of wall time. */
export function playInWorker(start: ActorStart, engine: string): SitePlayer {
  const worker = new Worker(new URL("./_simulated_worker.ts", import.meta.url), { type: "module" });
  const waiting: { resolve: (replies: readonly SiteReply[]) => void; reject: (error: Error) => void }[] = [];
  worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>): void => {
    const asked = waiting.shift();
    if ("replies" in data) asked?.resolve(data.replies);
    else asked?.reject(new Error(data.error));
  };
  worker.onerror = (event): void => {
    event.preventDefault();
    for (const { reject } of waiting.splice(0)) {
      reject(new Error(`a simulating Worker failed: ${event.message}`));
    }
  };
  const order = (message: WorkerOrder, given: ArrayBufferLike[] = []): void =>
    worker.postMessage(message, given as ArrayBuffer[]);
  order({ kind: "start", start, engine });
  return {
    step: (tasks) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        // Rosters are a hash for every site: given away, not copied.
        order(
          { kind: "step", tasks },
          tasks.flatMap(({ bytes }) => bytes === undefined ? [] : [bytes.buffer]),
        );
      }),
    close: () => worker.terminate(),
  };
}

/** Words that the vectors of one task of a Worker may have together, and sites of one task at most. */
const TASK_WORDS = 1 << 17;
const TASK_SITES = 8;

/** Sites that a Worker gets at a time, for vectors of this dimension. */
export function sitesOfTask(dimension: number): number {
  return Math.max(1, Math.min(TASK_SITES, Math.floor(TASK_WORDS / dimension)));
}

/** Consecutive parts of about the same length. */
export function split<T>(items: readonly T[], parts: number): T[][] {
  const at = (part: number): number => Math.floor((part * items.length) / parts);
  return Array.from({ length: parts }, (_, part) => items.slice(at(part), at(part + 1)));
}
