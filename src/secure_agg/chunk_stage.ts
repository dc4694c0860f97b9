import { release } from "./_release.ts";

/**
 * Where the server keeps the chunks of an upload until its commit. Chunks of committed or dropped uploads are removed
 * at once, so the stage holds at most the uploads in flight. Calls come one at a time.
 */
export interface ChunkStage {
  /** Keeps a chunk. The bytes are a view of the message: copy them, unless whoever sends messages gives them up. */
  put(index: number, chunk: number, payload: Uint8Array): void;
  /** Gives a kept chunk back. */
  get(index: number, chunk: number): Uint8Array | undefined;
  /** Forgets all chunks of one upload. */
  drop(index: number): void;
}

/** A stage in memory. */
export function memoryStage(): ChunkStage {
  const uploads = new Map<number, Map<number, Uint8Array>>();
  return {
    put: (index, chunk, payload) => {
      const upload = uploads.get(index) ?? new Map<number, Uint8Array>();
      uploads.set(index, upload.set(chunk, payload.slice()));
    },
    get: (index, chunk) => uploads.get(index)?.get(chunk),
    drop: (index) => {
      for (const payload of uploads.get(index)?.values() ?? []) release(payload);
      uploads.delete(index);
    },
  };
}
