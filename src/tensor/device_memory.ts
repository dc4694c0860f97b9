import { activeWebGpu, bindingLimit } from "./_webgpu_backend.ts";
import { poolBytes, resetPeak } from "./_webgpu_pool.ts";
import { probeGpuAdapter } from "./_gpu_adapter.ts";
import { tf } from "./_tf.ts";
import type { WasmBackend } from "./_wasm_heap.ts";
import { heapBytes, resetHeapPeak } from "./_wasm_heap_guard.ts";

/** Memory of the active backend's device that tensors can use. */
export interface DeviceMemory {
  /** Bytes that may be used; undefined where the device does not tell. */
  readonly bytes: number | undefined;
  /** Largest tensor in bytes; packed matrices are split below it. */
  readonly largestTensor: number;
  /** Where the figure comes from. */
  readonly source: string;
}

/** Bytes that tensors occupy on the active backend. */
export interface TensorMemory {
  /** Bytes allocated now: GPU buffers, blocks on the WASM heap, or JavaScript arrays. */
  readonly allocated: number;
  /** The most since the last {@link resetTensorMemory}; on cpu the same as `allocated`. */
  readonly peak: number;
}

/** Tensors that fit the 4 GiB address space of a 32-bit WASM heap, its own data left out. */
const WASM_BYTES = 3.9e9;

/**
 * What the active backend's device offers. A GPU does not tell WebGPU its memory: `FEDKIM_GPU_MEMORY` (in GB) decides
 * if set; otherwise the driver's figures are asked for where the system has them (amdgpu's sysfs, nvidia-smi).
 *
 * @returns bytes, the largest tensor and the source of the figure
 */
export async function deviceMemory(): Promise<DeviceMemory> {
  const webgpu = activeWebGpu();
  if (webgpu !== undefined) {
    const largestTensor = bindingLimit(webgpu);
    const { bytes, source } = await gpuBytes();
    return { bytes, largestTensor, source };
  }
  if (tf.getBackend() === "wasm") {
    return { bytes: WASM_BYTES, largestTensor: WASM_BYTES, source: "the 32-bit WASM heap" };
  }
  const free = freeSystemMemory();
  // A JavaScript typed array holds at most 4 GiB.
  return { bytes: free, largestTensor: 2 ** 32, source: "free system memory" };
}

/**
 * Bytes that tensors occupy on the active backend.
 *
 * @returns bytes now and at the peak
 */
export function tensorMemory(): TensorMemory {
  const webgpu = activeWebGpu();
  if (webgpu !== undefined) return poolBytes(webgpu);
  const wasm = activeWasm();
  if (wasm !== undefined) return heapBytes(wasm);
  const { numBytes } = tf.memory();
  return { allocated: numBytes, peak: numBytes };
}

/** Starts counting {@link TensorMemory.peak} anew; unused GPU buffers go back to the driver. */
export function resetTensorMemory(): void {
  const webgpu = activeWebGpu();
  if (webgpu !== undefined) resetPeak(webgpu);
  const wasm = activeWasm();
  if (wasm !== undefined) resetHeapPeak(wasm);
}

function activeWasm(): WasmBackend | undefined {
  return tf.getBackend() === "wasm" ? tf.backend() as unknown as WasmBackend : undefined;
}

async function gpuBytes(): Promise<{ bytes: number | undefined; source: string }> {
  const stated = Number(environment("FEDKIM_GPU_MEMORY"));
  if (stated > 0) return { bytes: stated * 1e9, source: "FEDKIM_GPU_MEMORY" };
  const adapter = await probeGpuAdapter();
  if (adapter?.software) {
    return { bytes: freeSystemMemory(), source: "free system memory (software adapter)" };
  }
  const driver = amdBytes() ?? await nvidiaBytes();
  return driver ?? { bytes: undefined, source: "the driver does not tell; set FEDKIM_GPU_MEMORY (GB)" };
}

/** Asks for nothing that was not granted: a library must not raise a permission prompt for a figure. */
function granted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

function freeSystemMemory(): number | undefined {
  if (!granted({ name: "sys", kind: "systemMemoryInfo" })) return undefined;
  return Deno.systemMemoryInfo().available;
}

function environment(name: string): string | undefined {
  return granted({ name: "env", variable: name }) ? Deno.env.get(name) : undefined;
}

function amdBytes(): { bytes: number; source: string } | undefined {
  if (!granted({ name: "read", path: "/sys/class/drm" })) return undefined;
  try {
    for (const { name } of Deno.readDirSync("/sys/class/drm")) {
      if (!/^card\d+$/.test(name)) continue;
      try {
        const bytes = Number(Deno.readTextFileSync(`/sys/class/drm/${name}/device/mem_info_vram_total`));
        if (bytes > 0) return { bytes, source: "amdgpu" };
      } catch {
        // Another vendor's card.
      }
    }
  } catch {
    // No such folder: another system.
  }
  return undefined;
}

async function nvidiaBytes(): Promise<{ bytes: number; source: string } | undefined> {
  if (!granted({ name: "run", command: "nvidia-smi" })) return undefined;
  try {
    const { success, stdout } = await new Deno.Command("nvidia-smi", {
      args: ["--query-gpu=memory.free", "--format=csv,noheader,nounits"],
      stdout: "piped",
      stderr: "null",
    }).output();
    const mebibytes = parseInt(new TextDecoder().decode(stdout));
    if (success && mebibytes > 0) return { bytes: mebibytes * 2 ** 20, source: "nvidia-smi" };
  } catch {
    // Not installed.
  }
  return undefined;
}
