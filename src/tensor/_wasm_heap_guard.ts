import { FedKimError } from "../formats/errors.ts";
import type { WasmBackend } from "./_wasm_heap.ts";

/** Bytes that are allocated on a WASM heap, and the most there were. */
interface HeapUse {
  allocated: number;
  peak: number;
  readonly sizes: Map<number, number>;
}

const uses = new WeakMap<WasmBackend["wasm"], HeapUse>();

/**
 * Makes a full WASM heap an error and counts what is allocated. The stock backend takes address 0 for a tensor that
 * no longer fits, and such tensors overwrite each other in silence.
 */
export function guardHeap({ wasm }: WasmBackend): void {
  if (uses.has(wasm)) return;
  const use: HeapUse = { allocated: 0, peak: 0, sizes: new Map() };
  uses.set(wasm, use);
  // Emscripten replaces these functions at their first call.
  wasm._free(wasm._malloc(16));
  const [allocate, free] = [wasm._malloc, wasm._free];
  wasm._malloc = (bytes) => {
    const address = allocate(bytes);
    if (address === 0 && bytes > 0) throw heapFull(bytes);
    use.sizes.set(address, bytes);
    use.allocated += bytes;
    use.peak = Math.max(use.peak, use.allocated);
    return address;
  };
  wasm._free = (address) => {
    use.allocated -= use.sizes.get(address) ?? 0;
    use.sizes.delete(address);
    free(address);
  };
}

/** Bytes on a guarded heap: allocated now, and the most since {@link resetHeapPeak}. */
export function heapBytes({ wasm }: WasmBackend): { allocated: number; peak: number } {
  const { allocated, peak } = uses.get(wasm) ?? { allocated: 0, peak: 0 };
  return { allocated, peak };
}

/** Counts the peak from now on. */
export function resetHeapPeak({ wasm }: WasmBackend): void {
  const use = uses.get(wasm);
  if (use !== undefined) use.peak = use.allocated;
}

function heapFull(bytes: number): FedKimError {
  return new FedKimError("BackendError", "The WASM heap is full.", {
    found: `no room for ${bytes} more bytes`,
    needed: "tensors below 4 GiB in all",
    remedy: "use a smaller model, batch or sequence, or a GPU with --backend webgpu",
    reason: "out_of_memory",
  });
}
