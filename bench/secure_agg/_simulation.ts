import { type Profile, simulate, type SimulatedRoundReport } from "../../src/secure_agg/mod.ts";
import { cpuSeconds } from "./_measure.ts";
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
  "In brackets what the cost model says. The shared secret of a pair with its keys, and the check of one signature, are " +
  "computed once and charged to every party; the roster, which says the same to all, is made and read in full a hundred " +
  "times in each thread, and charged to every other site at the median of these.\n";

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

/** What `fedkim simulate --json` prints, as far as the page shows it. */
interface Simulated {
  readonly sites: number;
  readonly dimension: number;
  readonly drop: number;
  readonly profile: Profile;
  readonly results: readonly SimulatedRoundReport[];
  readonly process: {
    readonly cpuSeconds: number;
    readonly wallSeconds: number;
    readonly workers: number;
    readonly peakMemoryBytes?: number;
  };
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

/** The page of runs of ten thousand sites. */
function longPage(runs: readonly Simulated[]): string {
  const head = [
    "profile",
    ...COST_HEAD,
    "server memory",
    "whole process: CPU",
    "wall",
    "Workers",
    "peak memory",
  ];
  const rows = runs.map(({ profile, results: [report], process }) => [
    profile,
    ...costCells(report),
    `${(report.measured.server.memoryBytes / 1e6).toFixed(0)} MB`,
    `${(process.cpuSeconds / 60).toFixed(1)} min`,
    `${(process.wallSeconds / 60).toFixed(1)} min`,
    `${process.workers}`,
    process.peakMemoryBytes === undefined ? "not measured" : gigabytes(process.peakMemoryBytes),
  ]);
  const phases = Object.keys(runs[0]?.results[0].phases ?? {});
  const phaseRows = runs.map(({ profile, results: [report] }) => [
    profile,
    ...phases.map((phase) => phase in report.phases ? `${report.phases[phase].toFixed(0)} s` : "-"),
  ]);
  const millions = runs.flatMap(({ profile, results: [{ million }] }) =>
    million === undefined ? [] : [[
      profile,
      `${million.degree} / ${million.threshold}`,
      duration(million.client.cpuSeconds),
      `${(million.client.bytes / 1e6).toFixed(0)} MB`,
      `${(million.client.memoryBytes / 1e6).toFixed(0)} MB`,
      `${(million.server.cpuSeconds / 3600).toFixed(0)} h`,
      `${(million.server.bytes / 1e12).toFixed(0)} TB`,
      gigabytes(million.server.memoryBytes),
    ]]
  );
  const millionHead = ["profile", "k / t", "client CPU", "client bytes", "client memory"];
  return `# Secure aggregation: ten thousand sites\n\n` +
    `\`fedkim simulate --sites 10000 --dim 10000 --drop 100\` (\`deno task bench secure_agg --long\`): ring graph, 100 ` +
    `late drops, one round with all parties in one process; the sum is checked. Deno ${Deno.version.deno}, ` +
    `${Deno.build.arch}, ${navigator.hardwareConcurrency} cores; the wall time includes what other programs took ` +
    `from them.\n\n${table(head, rows)}\n\n${EXPLANATION}\n` +
    `CPU by phase, all parties:\n\n${table(["profile", ...phases], phaseRows)}\n\n` +
    `## Extrapolated to a million sites\n\n` +
    `The cost model at that size times measured / model. Most of it is the roster of one hash per site that every ` +
    `site reads, which grows with the square of their number at the server; the messages' 16-bit indices end at ` +
    `65,535 sites.\n\n${table([...millionHead, "server CPU", "server bytes", "server memory"], millions)}\n`;
}

const LONG = ["--sites", "10000", "--dim", "10000", "--drop", "100", "--json"];

/** Ten thousand sites on the ring, d = 10,000, a hundred late drops: the page after every profile. */
export async function* longSimulation(): AsyncGenerator<string> {
  const runs: Simulated[] = [];
  for (const profile of ["curious", "default", "strict"]) {
    const args = ["run", "-A", "cli/main.ts", "simulate", ...LONG, "--profile", profile];
    const { stdout, success } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
    if (!success) throw new Error("the simulation's process failed");
    runs.push(JSON.parse(new TextDecoder().decode(stdout)) as Simulated);
    yield longPage(runs);
  }
}

// The page of documents that `fedkim simulate --json` has written before: their files.
if (import.meta.main) {
  console.log(longPage(Deno.args.map((file) => JSON.parse(Deno.readTextFileSync(file)) as Simulated)));
}
