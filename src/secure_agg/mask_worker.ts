/**
 * Entry of a Worker of the mask pool: takes {@link MaskTask}s and gives the words back. It is loaded by
 * {@link maskWorkerPool} only.
 *
 * @module
 */
import { engineByName, type MaskEngine, type MaskJob } from "./mask_engine.ts";

/** Masks for one range of coordinates. */
export interface MaskTask {
  /** Number of the task: comes back with the answer. */
  readonly id: number;
  /** Coordinates of the range; transferred. */
  readonly words: Uint32Array<ArrayBuffer>;
  /** Masks to add. */
  readonly jobs: readonly MaskJob[];
  /** First coordinate of the range. */
  readonly first: number;
  /** Name of the engine to use, `wasm` or `stream-native`. */
  readonly engine: string;
}

/** The answer to a {@link MaskTask}. */
export interface MaskAnswer {
  /** Number of the task. */
  readonly id: number;
  /** The coordinates with the masks added; transferred. */
  readonly words: Uint32Array<ArrayBuffer>;
}

const engines = new Map<string, MaskEngine>();

function engineFor(name: string): MaskEngine {
  const engine = engines.get(name) ?? engineByName(name);
  engines.set(name, engine);
  return engine;
}

/** The part of a Worker's global scope that is used here. */
interface WorkerScope {
  onmessage: (event: MessageEvent<MaskTask>) => Promise<void>;
  postMessage(answer: MaskAnswer, transfer: readonly ArrayBuffer[]): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = async ({ data }: MessageEvent<MaskTask>): Promise<void> => {
  const { id, words, jobs, first, engine } = data;
  await engineFor(engine).apply(words, jobs, first);
  for (const { key } of jobs) key.fill(0);
  const answer: MaskAnswer = { id, words };
  scope.postMessage(answer, [words.buffer]);
};
