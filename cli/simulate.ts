import process from "node:process";
import {
  type MeasuredCost,
  simulate as run,
  type SimulatedRoundReport,
  type Spread,
} from "../src/secure_agg/mod.ts";
import { SeededRandom } from "../src/tensor/seeded_random.ts";
import type { Options } from "./args.ts";
import { out, ProgressLine, table } from "./terminal.ts";

const COUNTED_TWICE =
  "All parties run in this process. The shared secret of a pair is computed once and charged to both ends; a signature " +
  "that many sites check is checked once and charged to each. Memory is that of states, vectors and messages.";

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
  seconds >= 1 ? `${seconds.toPrecision(3)} s` : `${(seconds * 1000).toPrecision(3)} ms`;
const size = (bytes: number): string =>
  bytes >= 1e6 ? `${(bytes / 1e6).toPrecision(3)} MB` : `${(bytes / 1e3).toPrecision(3)} kB`;
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
  return lines.join("\n");
}

/** Whole secure aggregation rounds with many sites in one process. */
export async function simulate(options: Options<"simulate">): Promise<void> {
  const { sites, dimension, drop, rounds, profile, byzantine, seed, json } = options;
  const random = new SeededRandom(seed);
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
    progress: (round, phase, done, total) => line.update({ stage: `round ${round}: ${phase}`, done, total }),
  });
  for await (const report of simulation) {
    line.end();
    reports.push(report);
    if (!json) out.result(`${describe(report)}\n`);
  }
  const peak = peakMemory();
  const whole = { cpuSeconds: cpuSeconds(), ...(peak === undefined ? {} : { peakMemoryBytes: peak }) };
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
      note: COUNTED_TWICE,
    }));
    return;
  }
  out.result(
    `${COUNTED_TWICE}\nThis process: ${time(whole.cpuSeconds)} CPU${
      peak === undefined ? "" : `, ${size(peak)} at most`
    }.`,
  );
}
