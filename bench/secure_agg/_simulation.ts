import { simulate, type SimulatedRoundReport } from "../../src/secure_agg/mod.ts";
import { cpuSeconds } from "./_measure.ts";
import { duration, table } from "./_report.ts";

/** One simulated round of a cohort on the ring, a fiftieth of the sites lost late. */
async function oneRound(sites: number, dimension: number): Promise<SimulatedRoundReport> {
  const drop = Math.floor(sites / 50);
  const simulation = simulate({
    ...{ sites, dimension, drop, rounds: 1, profile: "strict", byzantine: 0 },
    pick: (n) => n >> 1,
    clock: cpuSeconds,
  });
  for await (const report of simulation) return report;
  throw new Error("no round was simulated");
}

/** Large cohorts beside the cost model, as a Markdown section. */
export async function simulationSection(): Promise<string> {
  const rows: string[][] = [];
  for (const [sites, dimension] of [[300, 10_000], [1000, 10_000]]) {
    const start = cpuSeconds();
    const { degree, threshold, survivors, measured, model } = await oneRound(sites, dimension);
    const { client, server } = measured;
    rows.push([
      `${sites}`,
      `${degree} / ${threshold}`,
      `${survivors}`,
      `${duration(client.cpuSeconds.median)} (${duration(model.client.cpuSeconds)})`,
      `${(client.bytes.median / 1e3).toFixed(0)} (${(model.client.bytes / 1e3).toFixed(0)}) kB`,
      `${(client.memoryBytes.median / 1e3).toFixed(0)} (${(model.client.memoryBytes / 1e3).toFixed(0)}) kB`,
      `${duration(server.cpuSeconds)} (${duration(model.server.cpuSeconds)})`,
      duration(cpuSeconds() - start),
    ]);
  }
  const head = [
    "n",
    "k / t",
    "survivors",
    "client CPU",
    "client bytes",
    "client memory",
    "server CPU",
    "all CPU",
  ];
  return `## Simulated cohorts: d = 10,000, 2 % late drops, strict, \`fedkim simulate\`\n\n${
    table(head, rows)
  }\n\n` +
    "In brackets what the cost model says; the model leaves out the server's signature checks and messages. The shared " +
    "secret of a pair and the check of one signature are computed once and charged to every party.\n";
}
