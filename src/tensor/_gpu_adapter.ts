/** What WebGPU offers in this process. */
export interface GpuAdapterSummary {
  /** Human-readable adapter name. */
  readonly device: string;
  /** True for rasterisers that run on the CPU (llvmpipe, SwiftShader, WARP). */
  readonly software: boolean;
}

/** Names under which Vulkan, GL and D3D announce adapters that compute on the CPU. */
const SOFTWARE_ADAPTER = /llvmpipe|lavapipe|softpipe|swiftshader|software|basic render|\bwarp\b/i;

let probe: Promise<GpuAdapterSummary | undefined> | undefined;

/** Looks for a WebGPU adapter, once per process; undefined where there is none. */
export function probeGpuAdapter(): Promise<GpuAdapterSummary | undefined> {
  probe ??= findAdapter();
  return probe;
}

/**
 * False where this machine cannot have a hardware GPU: on Linux one shows as a device node. Asking WebGPU would
 * then only load a software rasteriser, with its compiler, into the process.
 */
export function mayHaveHardwareGpu(): boolean {
  if (Deno.build.os !== "linux") return true;
  try {
    const nodes = [...Deno.readDirSync("/dev")].map(({ name }) => name);
    return nodes.some((name) => name === "dri" || name === "dxg" || name.startsWith("nvidia"));
  } catch {
    // Without permission to look, WebGPU itself has to answer.
    return true;
  }
}

async function findAdapter(): Promise<GpuAdapterSummary | undefined> {
  const gpu = globalThis.navigator?.gpu;
  if (gpu === undefined) return undefined;
  provideRuntimeDirectory();
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
    if (adapter === null) return undefined;
    const { vendor, architecture, device, description } = adapter.info;
    const name = description || [vendor, architecture, device].filter((part) => part !== "").join(" ");
    const software = adapter.info.isFallbackAdapter === true || SOFTWARE_ADAPTER.test(name);
    return { device: name || "unnamed WebGPU adapter", software };
  } catch {
    return undefined;
  }
}

/** Mesa prints a warning to stderr when XDG_RUNTIME_DIR is missing or not private: give it an empty 0700 folder. */
function provideRuntimeDirectory(): void {
  if (Deno.build.os !== "linux") return;
  try {
    if (Deno.env.get("XDG_RUNTIME_DIR") !== undefined) return;
    const directory = `${Deno.env.get("TMPDIR") ?? "/tmp"}/fedkim-runtime-${Deno.uid() ?? "user"}`;
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    Deno.env.set("XDG_RUNTIME_DIR", directory);
  } catch {
    // Without env or write permission the only loss is Mesa's warning line.
  }
}
