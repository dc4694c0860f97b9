import type { ChunkStage } from "../secure_agg/mod.ts";

/**
 * Chunks of uploads in flight, in the very memory that they came in: nothing is copied. Whoever hands a chunk in gives the
 * whole buffer up that it lies in.
 * @param onDropped gets the buffers of an upload that is over; until they are released they are still there for whoever reads them
 */
export function uploadStage(onDropped: (buffers: readonly ArrayBuffer[]) => void): ChunkStage {
  const uploads = new Map<number, Map<number, Uint8Array>>();
  return {
    put(index, chunk, payload) {
      const upload = uploads.get(index) ?? new Map<number, Uint8Array>();
      uploads.set(index, upload.set(chunk, payload));
    },
    get: (index, chunk) => uploads.get(index)?.get(chunk),
    drop(index) {
      const upload = uploads.get(index);
      if (upload === undefined) return;
      uploads.delete(index);
      onDropped([...upload.values()].flatMap(({ buffer }) => buffer instanceof ArrayBuffer ? [buffer] : []));
    },
  };
}
