/**
 * Benchmark of the tensor layer: products on WebGPU against tfjs's own on the same adapter in the same run, packed
 * weights against unpacked, the fused low-rank update, a layer's other ops fused and composed, WASM beside them; and with `--long` a decoder of 1.5 billion
 * weights. Writes `bench/results/webgpu.md` and `bench/results/webgpu_large.md`.
 *
 * Flags: `--ceiling=FILE` compares with products measured by `torch_ceiling.py` on the same machine;
 * `--tokens=N` and `--layers=N` shape the large decoder; `--out=DIR` writes elsewhere.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { type BackendInfo, selectBackend } from "../../src/tensor/mod.ts";
import { fmaCeiling } from "./_fma_ceiling.ts";
import { LARGE_DECODER, runLargeDecoder } from "./_large_decoder.ts";
import { type ExternalCeiling, largePage, productsPage, type ProductsRun } from "./_pages.ts";
import { measureLayerOps } from "./_layer_ops.ts";
import { measureLayers, measureSquares } from "./_products.ts";

/** Measures products and writes the page. */
export async function runTensorBench(flags: readonly string[]): Promise<void> {
  const ceilingFile = valueOf(flags, "ceiling");
  const external = ceilingFile === undefined
    ? undefined
    : JSON.parse(await Deno.readTextFile(ceilingFile)) as ExternalCeiling;
  const runs: ProductsRun[] = [];
  for (const backend of ["webgpu", "wasm"] as const) {
    const info = await startOrSkip(backend);
    if (info === undefined) continue;
    const fma = backend === "webgpu" ? await fmaCeiling(info.software ? 32 : 8192) : undefined;
    const [squares, layers] = [await measureSquares(info), await measureLayers(info)];
    const layerOps = backend === "webgpu" ? await measureLayerOps() : [];
    runs.push({ info, squares, layers, layerOps, ...(fma === undefined ? {} : { fma }) });
  }
  await write(flags, "webgpu.md", productsPage(runs, external));
}

/** Runs the large decoder and writes its page. */
export async function runLongTensorBench(flags: readonly string[]): Promise<void> {
  const info = await selectBackend("webgpu");
  const fma = await fmaCeiling(info.software ? 32 : 8192);
  const tokens = Number(valueOf(flags, "tokens") ?? (info.software ? 16 : 64));
  const layers = Number(valueOf(flags, "layers") ?? LARGE_DECODER.layers);
  // One round on a software adapter, so that it ends within minutes; shader compilation is then counted too.
  const rounds = info.software ? 1 : 3;
  const run = await runLargeDecoder({ ...LARGE_DECODER, layers }, "float16", tokens, rounds);
  await write(flags, "webgpu_large.md", largePage(info, run, fma));
}

async function startOrSkip(backend: "webgpu" | "wasm"): Promise<BackendInfo | undefined> {
  try {
    return await selectBackend(backend);
  } catch (error) {
    console.error(`${backend} is left out: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
}

function valueOf(flags: readonly string[], name: string): string | undefined {
  return flags.find((flag) => flag.startsWith(`--${name}=`))?.slice(name.length + 3);
}

async function write(flags: readonly string[], name: string, text: string): Promise<void> {
  const folder = valueOf(flags, "out") ?? fileURLToPath(new URL("../results", import.meta.url));
  await Deno.writeTextFile(`${folder}/${name}`, text);
  console.log(text);
}
