import { bindingLimit, type BufferPool, tooLarge, type WebGpuBackend } from "./_webgpu_backend.ts";

/** Free buffers up to this size stay in the pool, or up to an eighth of what is in use if that is more. */
const KEPT_FREE_BYTES = 128 * 2 ** 20;

const STORAGE = 0x80;

const peaks = new WeakMap<BufferPool, number>();

/**
 * Guards the pool that tfjs takes GPU buffers from. A tensor above the binding limit would read as silent zeros: it is
 * refused. The stock pool never shrinks, so that a growing key-value cache would leave every former size behind:
 * when a new size is needed and much lies free, the free buffers are returned first.
 */
export function guardPool(backend: WebGpuBackend): void {
  const pool = backend.bufferManager;
  if (peaks.has(pool)) return;
  peaks.set(pool, pool.numBytesAllocated);
  const limit = bindingLimit(backend);
  const acquire = pool.acquireBuffer.bind(pool);
  pool.acquireBuffer = (size, usage, mappedAtCreation, reuse) => {
    if ((usage & STORAGE) !== 0 && size > limit) throw tooLarge(size, limit);
    const free = pool.numBytesAllocated - pool.numBytesUsed;
    if (free > Math.max(KEPT_FREE_BYTES, pool.numBytesUsed / 8) && !holds(pool, size, usage)) {
      returnFreeBuffers(pool);
    }
    const buffer = acquire(size, usage, mappedAtCreation, reuse);
    peaks.set(pool, Math.max(peaks.get(pool) ?? 0, pool.numBytesAllocated));
    return buffer;
  };
}

/** Bytes of GPU buffers: allocated now, and the most since {@link resetPeak}. */
export function poolBytes({ bufferManager }: WebGpuBackend): { allocated: number; peak: number } {
  const allocated = bufferManager.numBytesAllocated;
  return { allocated, peak: Math.max(allocated, peaks.get(bufferManager) ?? 0) };
}

/** Returns free buffers and counts the peak from now on. */
export function resetPeak({ bufferManager }: WebGpuBackend): void {
  returnFreeBuffers(bufferManager);
  peaks.set(bufferManager, bufferManager.numBytesAllocated);
}

function holds(pool: BufferPool, size: number, usage: number): boolean {
  return (pool.freeBuffers.get(`${size}_${usage}`)?.length ?? 0) > 0;
}

function returnFreeBuffers(pool: BufferPool): void {
  for (const buffers of pool.freeBuffers.values()) {
    for (const buffer of buffers) {
      pool.numBytesAllocated -= buffer.size;
      pool.numFreeBuffers--;
      buffer.destroy();
    }
    buffers.length = 0;
  }
}
