/**
 * Cost of secure aggregation: mask expansion beside the bare cipher in one run, whole rounds of a hundred sites, one
 * client of a thousand, recovery of a secret, and growth with n, k, d and drops. All times are CPU seconds. Writes
 * `bench/results/secure_agg.md` and `.svg`. Cohorts of ten thousand take many minutes and are measured by
 * `deno task bench secure_agg --long`, which writes `secure_agg_10000.md`.
 *
 * @module
 */
import { measureClientAlone } from "./_client.ts";
import { measureGrowth } from "./_growth.ts";
import { measureMasks } from "./_masks.ts";
import { measureAgreement, measureRecovery } from "./_primitives.ts";
import { duration, growthPlot, table } from "./_report.ts";
import { type LoneRound, measureRoundAlone, primitivesOf, roundParams } from "./_round.ts";
import { measureServerMemoryAlone } from "./_server.ts";
import { longSimulation, simulationSection } from "./_simulation.ts";

const RESULTS = new URL("../results/", import.meta.url);

async function masksSection(): Promise<string> {
  const speeds = await measureMasks();
  const bare = speeds.find(({ name }) => name.startsWith("node:crypto"))!.gigabytes;
  const rows = speeds.map(({ name, gigabytes }) => [
    name,
    gigabytes.toFixed(2),
    `${Math.round((100 * gigabytes) / bare)} %`,
  ]);
  return `## Mask expansion and addition, one core\n\n${
    table(["what", "GB/s", "of node's bare key stream"], rows)
  }\n`;
}

/** Rounds in fresh processes: enough to show how far single ones lie apart. */
const ROUNDS = 7;

async function roundsSection(): Promise<string> {
  const rows: string[][] = [];
  for (const graph of ["full", "ring"] as const) {
    const { graph: shape, threshold } = roundParams(graph);
    const costs: LoneRound[] = [];
    for (let turn = 0; turn < ROUNDS; turn++) costs.push(await measureRoundAlone(graph));
    const all = (cost: LoneRound): number => cost.clients + cost.server;
    costs.sort((a, b) => all(a) - all(b));
    const median = costs[ROUNDS >> 1];
    rows.push([
      graph,
      `${shape.kind === "ring" ? shape.degree : 99} / ${threshold}`,
      duration(median.clients),
      duration(median.server),
      duration(all(costs[0])),
      duration(all(median)),
      duration(all(costs[ROUNDS - 1])),
      duration(primitivesOf(graph, median.yardstick)),
      duration(median.yardstick.agreement),
      `${(1 / median.yardstick.gigabyte).toFixed(2)} GB/s`,
      `${(median.overheadBytes / 1000).toFixed(1)} KB`,
    ]);
  }
  const head = [
    "graph",
    "k / t",
    "100 clients",
    "server",
    "all parties: best",
    "median",
    "worst",
    "primitives alone",
    "one X25519",
    "masks",
    "bytes of one client besides the vector",
  ];
  return `## Whole round: n = 100, d = 100,000, five late drops, strict, all parties in one process\n\n` +
    `${
      table(head, rows)
    }\n\nCPU of ${ROUNDS} rounds, each the first of a fresh process; clients and server of the ` +
    "median round. No party uses another one's work: every site agrees, checks and expands for itself. The last " +
    "columns are yardsticks of the median round's process, averages of just before and just after the round: what one " +
    "X25519 agreement and expanded and added masks cost there, and what the round's agreements, verifications and masks " +
    "take at these rates. A machine that is busy with other work shows it in them.\n";
}

async function clientSection(): Promise<string> {
  const d = 1_000_000;
  const large = await measureClientAlone(1000, d);
  // Memory is compared in a smaller cohort: making the messages of a thousand sites leaves room that would hide it.
  const [many, few] = [await measureClientAlone(100, d), await measureClientAlone(100, 16)];
  const rows = Object.entries(large.phases).map(([phase, seconds]) => [phase, duration(seconds)]);
  rows.push(["**all**", `**${duration(large.total)}**`]);
  const grown = many.peak === undefined || few.peak === undefined
    ? "not measured on this system"
    : `${((many.peak - few.peak) / 1e6).toFixed(1)} MB above the same client with d = 16 (4d is ${
      4 * d / 1e6
    } MB, ` +
      "and one chunk on its way takes as much again)";
  return `## One client: n = 1,000, d = 1,000,000, strict, k / t = ${large.degree} / ${large.threshold}\n\n` +
    `${table(["phase", "CPU"], rows)}\n\nPeak memory: ${grown}.\n`;
}

async function serverSection(): Promise<string> {
  const rows: string[][] = [];
  for (const [n, d] of [[8, 16], [8, 1_000_000], [64, 16], [64, 1_000_000]]) {
    const peak = await measureServerMemoryAlone(n, d);
    rows.push([String(n), String(d), peak === undefined ? "not measured" : `${(peak / 1e6).toFixed(1)} MB`]);
  }
  return `## Server memory after all uploads\n\n${table(["n", "d", "peak of the process"], rows)}\n\n` +
    "The accumulator takes 4d, and an upload in flight 4d in the stage; the senders' vector and message, in the same " +
    "process, take another 8d. Nothing grows with n * d.\n";
}

/** Runs all measurements, prints the report and writes it beside its plot. */
export async function runSecureAggBench(): Promise<void> {
  const sections = [
    "# Secure aggregation: measured cost\n",
    `Deno ${Deno.version.deno}, ${Deno.build.arch}, ${navigator.hardwareConcurrency} logical cores; CPU time, smallest of ` +
    "interleaved repetitions where a ratio is given. Other load on the machine makes all figures larger: " +
    `one X25519 agreement took ${duration(await measureAgreement())} in this run.\n`,
    await masksSection(),
    await roundsSection(),
    await clientSection(),
    await serverSection(),
    await simulationSection(),
    `## Recovery\n\n32-byte secret, t = 51, one Lagrange vector for all dealers: ${
      duration(measureRecovery())
    }.\n`,
  ];
  const growth = await measureGrowth();
  const rows = growth.flatMap(({ quantity, points }) =>
    points.map((p) => [quantity, p.n, p.degree, p.dimension, p.drops, duration(p.client), duration(p.server)])
  );
  const slopes = growth.map((g) => [g.quantity, g.clientExponent.toFixed(2), g.serverExponent.toFixed(2)]);
  sections.push(
    `## Growth\n\n${table(["grows", "n", "k", "d", "late drops", "one client", "server"], rows)}\n`,
    `Measured exponents:\n\n${table(["in", "one client", "server"], slopes)}\n`,
    "![CPU against n, k, d and drops](secure_agg.svg)\n",
  );
  const report = sections.join("\n");
  await Deno.mkdir(RESULTS, { recursive: true });
  await Deno.writeTextFile(new URL("secure_agg.md", RESULTS), report);
  await Deno.writeTextFile(new URL("secure_agg.svg", RESULTS), growthPlot(growth));
  console.log(report);
}

/** Simulates cohorts of ten thousand sites, one profile after the other, and writes what is known after each. */
export async function runLongSecureAggBench(): Promise<void> {
  for await (const report of longSimulation()) {
    await Deno.mkdir(RESULTS, { recursive: true });
    await Deno.writeTextFile(new URL("secure_agg_10000.md", RESULTS), report);
    console.log(report);
  }
}
