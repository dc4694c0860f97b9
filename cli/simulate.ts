import process from "node:process";
import {
  type Extrapolation,
  type MeasuredCost,
  simulate as run,
  type SimulatedRoundReport,
  type Spread,
} from "../src/secure_agg/mod.ts";
import { SeededRandom } from "../src/tensor/seeded_random.ts";
import type { Options } from "./args.ts";
import { out, ProgressLine, table } from "./terminal.ts";

const COUNTED_TWICE =
  "All parties run in this process. The shared secret of a pair and the keys derived from it are computed once and " +
  "charged to both ends; a signature that many sites check is checked once and charged to each; the roster, which says " +
  "the same to all, is made and read in full a hundred times in each thread, and charged to the other sites at the " +
  "median of these. Memory is that of states, vectors and messages.";
const IN_WORKERS =
  " The sites are played in Workers, pairs across two Workers twice; each party is charged its part of the process's " +
  "CPU seconds by the time that its steps took.";
/** From this many sites on Workers are worth their start. */
const WORTH_WORKERS = 1000;

/** CPU seconds of this process, all threads. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Largest resident memory of this process in bytes; undefined where the system does not say. */
function peakMemory(): number | undefined {
  try {
    const line = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"));
    return line === null ? undefined : Number(line[1]) * 1024;
  } catch {
    return undefined;
  }
}

const time = (seconds: number): string =>
  seconds >= 36_000
    ? `${(seconds / 3600).toPrecision(3)} h`
    : seconds >= 1
    ? `${seconds.toPrecision(3)} s`
    : `${(seconds * 1000).toPrecision(3)} ms`;
const size = (bytes: number): string =>
  bytes >= 1e12
    ? `${(bytes / 1e12).toPrecision(3)} TB`
    : bytes >= 1e9
    ? `${(bytes / 1e9).toPrecision(3)} GB`
    : bytes >= 1e6
    ? `${(bytes / 1e6).toPrecision(3)} MB`
    : `${(bytes / 1e3).toPrecision(3)} kB`;
const beside = (measured: number, model: number): string => `${(measured / model).toPrecision(2)} x`;

function counts(record: Readonly<Record<string, number>>): string {
  return Object.entries(record).map(([reason, number]) => `${number} ${reason}`).join(", ");
}

function costRows({ measured, model }: SimulatedRoundReport): string[][] {
  const rows: string[][] = [];
  const add = (
    what: string,
    quantity: keyof MeasuredCost["client"],
    show: (value: number) => string,
  ): void => {
    const client: Spread = measured.client[quantity];
    const server = measured.server[quantity];
    rows.push(
      [
        `one client: ${what}`,
        show(client.median),
        show(client.max),
        show(model.client[quantity]),
        beside(client.median, model.client[quantity]),
      ],
      [
        `server: ${what}`,
        show(server),
        "",
        show(model.server[quantity]),
        beside(server, model.server[quantity]),
      ],
    );
  };
  add("CPU", "cpuSeconds", time);
  add("bytes", "bytes", size);
  add("memory", "memoryBytes", size);
  return rows;
}

function describe(report: SimulatedRoundReport): string {
  const { round, outcome, sites, survivors, degree, threshold, nMin, blamed, refused, gaveUp, phases } =
    report;
  const lines = [
    outcome === "finished"
      ? `Round ${round}: the sum of ${survivors} of ${sites} sites is exact.`
      : `Round ${round}: aborted, ${report.code} ${report.reason}; nothing was revealed.`,
    `Graph: ${degree === sites - 1 ? "full" : "ring"}, k = ${degree}, t = ${threshold}, nMin = ${nMin}.`,
  ];
  if (Object.keys(refused).length > 0) lines.push(`Messages refused by the server: ${counts(refused)}.`);
  if (Object.keys(gaveUp).length > 0) lines.push(`Sites that gave up: ${counts(gaveUp)}.`);
  if (blamed.length > 0) lines.push(`Named as liars, not invited again: ${blamed.join(", ")}.`);
  lines.push(
    `CPU by phase: ${
      Object.entries(phases).map(([phase, seconds]) => `${phase} ${time(seconds)}`).join(", ")
    }.`,
    table(["", "median", "largest", "cost model", "median / model"], costRows(report)),
  );
  if (report.million !== undefined) lines.push(extrapolated(report.million));
  return lines.join("\n");
}

/** The model at a size that nobody runs, scaled to what this machine needed. */
function extrapolated({ sites, degree, threshold, client, server }: Extrapolation): string {
  return `Extrapolated to ${
    sites.toLocaleString("en")
  } sites (k = ${degree}, t = ${threshold}; the cost model times ` +
    `measured / model): one client ${time(client.cpuSeconds)} CPU, ${size(client.bytes)}, ` +
    `${size(client.memoryBytes)} memory; the server ${time(server.cpuSeconds)} CPU, ${size(server.bytes)}, ` +
    `${
      size(server.memoryBytes)
    } memory. Most of it is the roster of one hash per site that every site reads; the ` +
    "messages' 16-bit indices end at 65,535 sites.";
}

/** Whole secure aggregation rounds with many sites in one process. */
export async function simulate(options: Options<"simulate">): Promise<void> {
  const { sites, dimension, drop, rounds, profile, byzantine, seed, json } = options;
  const started = performance.now();
  const random = new SeededRandom(seed);
  const workers = sites < WORTH_WORKERS ? 0 : navigator.hardwareConcurrency;
  const note = workers === 0 ? COUNTED_TWICE : COUNTED_TWICE + IN_WORKERS;
  const line = new ProgressLine();
  const reports: SimulatedRoundReport[] = [];
  const simulation = run({
    sites,
    dimension,
    drop,
    rounds,
    profile,
    byzantine,
    pick: (n) => random.integer(n),
    clock: cpuSeconds,
    workers,
    progress: (round, phase, done, total) => line.update({ stage: `round ${round}: ${phase}`, done, total }),
  });
  for await (const report of simulation) {
    line.end();
    reports.push(report);
    if (!json) out.result(`${describe(report)}\n`);
  }
  const peak = peakMemory();
  const wallSeconds = (performance.now() - started) / 1000;
  const whole = {
    cpuSeconds: cpuSeconds(),
    wallSeconds,
    workers,
    ...(peak === undefined ? {} : { peakMemoryBytes: peak }),
  };
  if (json) {
    out.result(JSON.stringify({
      sites,
      dimension,
      drop,
      rounds,
      profile,
      byzantine,
      exact: reports.every(({ outcome, exact }) => outcome === "aborted" || exact),
      finished: reports.filter(({ outcome }) => outcome === "finished").length,
      results: reports,
      process: whole,
      note,
    }));
    return;
  }
  out.result(
    `${note}\nThis process: ${time(whole.cpuSeconds)} CPU in ${time(wallSeconds)}${
      peak === undefined ? "" : `, ${size(peak)} at most`
    }.`,
  );
}
