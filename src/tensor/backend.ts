import { FedKimError } from "../formats/errors.ts";
import { mayHaveHardwareGpu, probeGpuAdapter } from "./_gpu_adapter.ts";
import { watchDevice } from "./_device_errors.ts";
import { tf } from "./_tf.ts";
import { installWasmKernels } from "./_wasm_kernels.ts";
import { guardHeap } from "./_wasm_heap_guard.ts";
import type { WasmBackend } from "./_wasm_heap.ts";
import type { WebGpuBackend } from "./_webgpu_backend.ts";
import { installWebGpuKernels } from "./_webgpu_kernels.ts";
import { guardPool } from "./_webgpu_pool.ts";

/** The three places where tensors can live. */
export type BackendName = "webgpu" | "wasm" | "cpu";

/** What a caller may ask for: a backend by name, or the fastest one of this machine. */
export type BackendPreference = "auto" | BackendName;

/** The backend that computes from now on, and why. */
export interface BackendInfo {
  /** The active backend. */
  readonly name: BackendName;
  /** The device it runs on, for logs and reports. */
  readonly device: string;
  /** True where the arithmetic runs on the CPU (also for a software GPU adapter). */
  readonly software: boolean;
  /** One sentence: why this backend was chosen. */
  readonly reason: string;
}

/**
 * Activates a tensor backend: webgpu > wasm > cpu for `auto`, where a software GPU adapter counts as absent
 * because WASM SIMD is several times faster on the same processor. Safe to call again, also with another choice.
 * Needs no permission for `webgpu` and `cpu`, `--allow-read` for `wasm`.
 *
 * @param preference a backend by name, or `auto`
 * @returns what was activated
 * @throws FedKimError `BackendError` when the backend asked for by name cannot start
 */
export async function selectBackend(preference: BackendPreference = "auto"): Promise<BackendInfo> {
  switch (preference) {
    case "auto":
      return await selectFastest();
    case "webgpu":
      return await startWebGpu("asked for by name");
    case "wasm":
      return await startWasm("asked for by name");
    case "cpu":
      return await startCpu("asked for by name");
    default:
      throw new FedKimError("BackendError", "This tensor backend does not exist.", {
        found: String(preference),
        needed: "auto, webgpu, wasm or cpu",
      });
  }
}

async function selectFastest(): Promise<BackendInfo> {
  const adapter = mayHaveHardwareGpu() ? await probeGpuAdapter() : undefined;
  let why = "no hardware GPU";
  if (adapter !== undefined) {
    if (!adapter.software) {
      try {
        return await startWebGpu("a hardware WebGPU adapter is present");
      } catch (error) {
        why = `WebGPU failed to start (${error instanceof Error ? error.message : String(error)})`;
      }
    } else {
      why = `the only WebGPU adapter is software (${adapter.device}), slower than WASM`;
    }
  }
  try {
    return await startWasm(why);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return await startCpu(`${why}; WASM failed to start (${message})`);
  }
}

async function startWebGpu(reason: string): Promise<BackendInfo> {
  const adapter = await probeGpuAdapter();
  if (adapter === undefined) {
    throw new FedKimError("BackendError", "WebGPU is not available.", {
      found: "no adapter",
      needed: "a Vulkan, Metal or D3D12 driver that this process can open",
      remedy: "install the GPU's driver, or use --backend wasm",
    });
  }
  await import("@tensorflow/tfjs-backend-webgpu");
  await activate("webgpu", "update the GPU's driver, or use --backend wasm");
  watchDevice(tf.backend());
  installWebGpuKernels();
  guardPool(tf.backend() as unknown as WebGpuBackend);
  return { name: "webgpu", device: adapter.device, software: adapter.software, reason };
}

async function startWasm(reason: string): Promise<BackendInfo> {
  await import("@tensorflow/tfjs-backend-wasm");
  await activate("wasm", "run with --allow-read so that the WASM file can be loaded, or use --backend cpu");
  installWasmKernels();
  guardHeap(tf.backend() as unknown as WasmBackend);
  const simd = (await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT")) ? "SIMD" : "no SIMD";
  return { name: "wasm", device: `WebAssembly, ${simd}, one thread`, software: true, reason };
}

async function startCpu(reason: string): Promise<BackendInfo> {
  await activate("cpu", "report this: plain JavaScript always works");
  return { name: "cpu", device: "JavaScript", software: true, reason };
}

async function activate(name: BackendName, remedy: string): Promise<void> {
  let cause: unknown;
  try {
    if (await tf.setBackend(name)) {
      await tf.ready();
      return;
    }
  } catch (error) {
    cause = error;
  }
  const found = cause instanceof Error ? cause.message : "initialisation returned false";
  throw new FedKimError("BackendError", `The ${name} backend could not start.`, { found, remedy, cause });
}
