import type { BackendInfo, WeightForm } from "../../src/tensor/mod.ts";
import { planMemory } from "../../src/foundation/mod.ts";
import { largeRequest, type LargeRun } from "./_large_decoder.ts";
import type { LayerOpsRow } from "./_layer_ops.ts";
import type { ProductRow } from "./_products.ts";

/** Products on one backend. */
export interface ProductsRun {
  readonly info: BackendInfo;
  readonly squares: readonly ProductRow[];
  readonly layers: readonly ProductRow[];
  readonly layerOps: readonly LayerOpsRow[];
  /** GFLOP/s of multiply-adds in registers. */
  readonly fma?: number;
}

/** What `torch_ceiling.py` writes: products by another engine on the same machine. */
export interface ExternalCeiling {
  readonly engine: string;
  readonly device: string;
  readonly rows: readonly {
    readonly size: readonly [number, number, number];
    readonly dtype: string;
    readonly gflops: number;
  }[];
}

/** The page of measured products. */
export function productsPage(runs: readonly ProductsRun[], external: ExternalCeiling | undefined): string {
  const lines = ["# Matrix products, measured", "", stamp("tensor"), ""];
  for (const { info, squares, layers, layerOps, fma } of runs) {
    lines.push(`## ${info.name}: ${info.device}`, "");
    if (info.name === "webgpu" && info.software) {
      lines.push(
        "This is a software adapter: shaders run on the CPU. The figures compare kernels with each other, and say " +
          "nothing about a GPU.",
        "",
      );
    }
    if (fma !== undefined) {
      lines.push(
        `Multiply-adds in registers alone reach ${show(fma)} GFLOP/s in float32 on this device.`,
        "",
      );
    }
    lines.push(
      "Two float32 tensors (N: as stored, T: transposed):",
      "",
      ...table(squares, fma, external),
      "",
    );
    lines.push("A frozen layer by weight form, and its low-rank update of rank 32:", "");
    lines.push(...table(layers, fma, external), "");
    if (layerOps.length > 0) lines.push(...layerOpsTable(layerOps), "");
  }
  if (external !== undefined) lines.push(`Ceiling: ${external.engine} on ${external.device}.`, "");
  return lines.join("\n");
}

/** The page of the large decoder. */
export function largePage(info: BackendInfo, run: LargeRun, fma: number): string {
  const dense = run.parameters - 151_936 * 1536;
  // Forward, and backward to the inputs of every layer: two operations per weight, token and direction.
  const rate = (passes: number, tokens: number, seconds: number): string =>
    show(2 * passes * dense * tokens / seconds / 1e9);
  return [
    "# A decoder of 1.5 billion weights, measured",
    "",
    stamp("tensor --long"),
    "",
    `Device: ${info.device}${
      info.software ? " (a software adapter: seconds say nothing about a GPU)" : ""
    }; ` +
    `multiply-adds in registers reach ${show(fma)} GFLOP/s. ${
      (run.parameters / 1e9).toFixed(2)
    } billion made-up ` +
    `weights in ${run.form} in Qwen2.5-1.5B's shape, batch 1, ${run.tokens} tokens, adapters of rank 32 at q_proj ` +
    "and v_proj of all layers.",
    "",
    `Plan: ${run.plan}.`,
    "",
    "| quantity | value |",
    "| --- | --- |",
    `| weights on the device, GB | ${giga(run.weightBytes)} |`,
    `| peak of forward and adapter backward, GB | ${giga(run.peakBytes)} |`,
    `| the plan without the optimizer, GB | ${giga(run.plannedBytes)} |`,
    `| peak over plan | ${(run.peakBytes / run.plannedBytes).toFixed(2)} |`,
    `| packing and upload, s | ${run.packSeconds.toFixed(0)} |`,
    `| forward, s (GFLOP/s) | ${run.forwardSeconds.toFixed(2)} (${
      rate(1, run.tokens, run.forwardSeconds)
    }) |`,
    `| forward of one token, s (weights read, GB/s) | ${run.tokenSeconds.toFixed(2)} (${
      show(run.weightBytes / run.tokenSeconds / 1e9)
    }) |`,
    `| forward and backward, s (GFLOP/s) | ${run.stepSeconds.toFixed(2)} (${
      rate(2, run.tokens, run.stepSeconds)
    }) |`,
    `| tokens/s, forward | ${show(run.tokens / run.forwardSeconds)} |`,
    `| tokens/s, training | ${show(run.tokens / run.stepSeconds)} |`,
    `| loss, norm of the adapters' gradient | ${run.loss.toFixed(4)}, ${run.gradientNorm.toExponential(3)} |`,
    "",
    ...plannedTable(run.form),
    "",
  ].join("\n");
}

/** What longer sequences need, by the same plan. */
export function plannedTable(weights: WeightForm): string[] {
  const total = (tokens: number, recompute: boolean): string =>
    giga(planMemory({ ...largeRequest(weights, tokens), recompute }).total);
  return [
    "By the same plan, optimizer included, forward and adapter backward of one sequence need:",
    "",
    "| tokens | GB, intermediates kept | GB, layers recomputed |",
    "| --- | --- | --- |",
    ...[16, 64, 128, 256, 512, 1024].map((tokens) =>
      `| ${tokens} | ${total(tokens, false)} | ${total(tokens, true)} |`
    ),
  ];
}

function layerOpsTable(rows: readonly LayerOpsRow[]): string[] {
  return [
    "What a decoder layer computes beside its products with weights (two RMSNorms, two rotations, attention, SwiGLU; " +
    "4 x 64 tokens, width 256), by our shaders and composed of tfjs's ops:",
    "",
    "| what | dispatches | memory at the peak, MB | ms |",
    "| --- | --- | --- | --- |",
    ...rows.map(({ what, dispatches, peakBytes, seconds }) =>
      `| ${what} | ${dispatches} | ${(peakBytes / 1e6).toFixed(1)} | ${(seconds * 1000).toFixed(1)} |`
    ),
  ];
}

function table(rows: readonly ProductRow[], fma: number | undefined, external?: ExternalCeiling): string[] {
  const dtypes = [...new Set(external?.rows.map(({ dtype }) => dtype) ?? [])];
  const heads = [
    "rows x depth x columns",
    "what",
    "GFLOP/s",
    ...(fma === undefined ? [] : ["share of multiply-adds"]),
    "weights read, GB/s",
    ...dtypes.map((dtype) => `share of ${external?.engine} ${dtype}`),
  ];
  const cells = rows.map(({ size, what, gflops, weightGigabytes }) => [
    size.join(" x "),
    what,
    show(gflops),
    ...(fma === undefined ? [] : [`${(100 * gflops / fma).toFixed(0)} %`]),
    weightGigabytes === undefined ? "" : show(weightGigabytes),
    ...dtypes.map((dtype) => {
      const same = external?.rows.find((row) => row.dtype === dtype && row.size.join() === size.join());
      return same === undefined ? "" : `${(100 * gflops / same.gflops).toFixed(0)} %`;
    }),
  ]);
  return [heads, heads.map(() => "---"), ...cells].map((row) => `| ${row.join(" | ")} |`);
}

function stamp(command: string): string {
  return `${new Date().toISOString().slice(0, 10)}, ${navigator.hardwareConcurrency} CPU cores, ` +
    `Deno ${Deno.version.deno}; \`deno task bench ${command}\` makes this page anew.`;
}

function giga(bytes: number): string {
  return (bytes / 1e9).toFixed(2);
}

function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
