import { type Profile, simulate, type SimulatedRoundReport } from "../../src/secure_agg/mod.ts";
import { cpuSeconds, peakMemory } from "./_measure.ts";
import { duration, table } from "./_report.ts";

/** One simulated round of a cohort on the ring, some of its sites lost late. */
async function oneRound(
  profile: Profile,
  sites: number,
  dimension: number,
  drop: number,
): Promise<SimulatedRoundReport> {
  const simulation = simulate({
    ...{ sites, dimension, drop, rounds: 1, profile, byzantine: 0 },
    pick: (n) => n >> 1,
    clock: cpuSeconds,
  });
  for await (const report of simulation) return report;
  throw new Error("no round was simulated");
}

const COST_HEAD = [
  "k / t",
  "survivors",
  "client CPU",
  "client bytes",
  "client memory",
  "server CPU",
] as const;
const EXPLANATION =
  "In brackets what the cost model says; the model leaves out the server's signature checks and messages. The shared " +
  "secret of a pair and the check of one signature are computed once and charged to every party.\n";

function costCells({ degree, threshold, survivors, measured, model }: SimulatedRoundReport): string[] {
  const { client, server } = measured;
  return [
    `${degree} / ${threshold}`,
    `${survivors}`,
    `${duration(client.cpuSeconds.median)} (${duration(model.client.cpuSeconds)})`,
    `${(client.bytes.median / 1e3).toFixed(0)} (${(model.client.bytes / 1e3).toFixed(0)}) kB`,
    `${(client.memoryBytes.median / 1e3).toFixed(0)} (${(model.client.memoryBytes / 1e3).toFixed(0)}) kB`,
    `${duration(server.cpuSeconds)} (${duration(model.server.cpuSeconds)})`,
  ];
}

/** Large cohorts beside the cost model, as a Markdown section. */
export async function simulationSection(): Promise<string> {
  const rows: string[][] = [];
  for (const [sites, dimension] of [[300, 10_000], [1000, 10_000]]) {
    const start = cpuSeconds();
    const report = await oneRound("strict", sites, dimension, Math.floor(sites / 50));
    rows.push([`${sites}`, ...costCells(report), duration(cpuSeconds() - start)]);
  }
  const head = ["n", ...COST_HEAD, "all CPU"];
  return `## Simulated cohorts: d = 10,000, 2 % late drops, strict, \`fedkim simulate\`\n\n${
    table(head, rows)
  }\n\n` +
    EXPLANATION;
}

/** Cells of one profile's row; a process of its own, because peak memory is of the whole process. */
async function longRow(profile: Profile): Promise<string[]> {
  const report = await oneRound(profile, 10_000, 10_000, 100);
  const peak = peakMemory();
  return [
    profile,
    ...costCells(report),
    `${(report.measured.server.memoryBytes / 1e6).toFixed(0)} MB`,
    `${(cpuSeconds() / 60).toFixed(1)} min`,
    peak === undefined ? "not measured" : `${(peak / 1e9).toFixed(2)} GB`,
  ];
}

if (import.meta.main) {
  console.log(JSON.stringify(await longRow(Deno.args[0] as Profile)));
  Deno.exit(0);
}

/** Ten thousand sites on the ring, d = 10,000, a hundred late drops: the page after every profile. */
export async function* longSimulation(): AsyncGenerator<string> {
  const rows: string[][] = [];
  for (const profile of ["curious", "default", "strict"]) {
    const args = ["run", "-A", import.meta.filename!, profile];
    const { stdout, success } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
    if (!success) throw new Error("the simulation's process failed");
    rows.push(JSON.parse(new TextDecoder().decode(stdout)) as string[]);
    const head = ["profile", ...COST_HEAD, "server memory", "whole process: CPU", "peak memory"];
    yield `# Secure aggregation: ten thousand sites\n\n` +
      `\`deno task bench secure_agg --long\`: n = 10,000, d = 10,000, ring graph, 100 late drops, one round with all ` +
      `parties in one process; the sum is checked. Deno ${Deno.version.deno}, ${Deno.build.arch}.\n\n` +
      `${table(head, rows)}\n\n${EXPLANATION}`;
  }
}
