/**
 * Benchmark of the main job: wall-clock time and peak memory of every process of `fedkim demo`, on synthetic data and,
 * where FEDKIM_SHARED or ../shared has them, on real data. Writes `bench/results/demo.md`.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const MEAN_OF = ["icu_mortality", "icu_ventilation", "icu_shock", "cxr_pneumonia", "ecg_pvc"] as const;

interface DemoOutput {
  readonly seconds: number;
  readonly privacy: readonly { readonly epsilon: number }[];
  readonly tasks: Readonly<Record<string, { readonly auroc?: number | null }>>;
}

/** One run of the demo. */
interface DemoRun {
  readonly data: string;
  readonly seconds: number;
  /** Of the largest process, MiB. */
  readonly memory: number;
  readonly epsilon: number;
  readonly meanAuroc: number;
}

/** Runs both demos and writes the table; with `--keep=FILE` their runs join those of the file. */
export async function runDemoBench(flags: readonly string[] = []): Promise<void> {
  const shared = Deno.env.get("FEDKIM_SHARED") ?? `${root}../shared`;
  const real = `${shared}/data/federated`;
  const keep = flags.find((flag) => flag.startsWith("--keep="))?.slice("--keep=".length);
  const runs: DemoRun[] = keep !== undefined && existsSync(keep)
    ? JSON.parse(await Deno.readTextFile(keep))
    : [];
  runs.push(await measure("synthetic", []));
  if (existsSync(real)) {
    runs.push(await measure("real (four regions, eICU, NIH, MIT-BIH, VQA-RAD)", ["--data", real]));
  }
  if (keep !== undefined) await Deno.writeTextFile(keep, JSON.stringify(runs));
  const text = [
    "# The demo, measured",
    "",
    `${
      new Date().toISOString().slice(0, 10)
    }, ${navigator.hardwareConcurrency} CPU cores, Deno ${Deno.version.deno}, ` +
    "no GPU; `deno task bench demo` makes this table anew.",
    "",
    "| data | runs | wall clock, s | peak memory of the largest process, MiB | largest epsilon | mean AUROC of five trained tasks |",
    "| --- | --- | --- | --- | --- | --- |",
    ...[...Map.groupBy<string, DemoRun>(runs, ({ data }) => data)].map(([data, own]) => rowOf(data, own)),
    "",
    `The AUROC is the mean over ${
      MEAN_OF.join(", ")
    } and over the runs, each of which is given in brackets: noise is ` +
    "drawn anew. Epsilon at delta 1e-5, PLD, against the server and one colluding site.",
    "",
  ].join("\n");
  await Deno.writeTextFile(`${root}bench/results/demo.md`, text);
  console.log(text);
}

function rowOf(data: string, runs: readonly DemoRun[]): string {
  const largest = (of: (run: DemoRun) => number): number => Math.max(...runs.map(of));
  const mean = runs.reduce((sum, { meanAuroc }) => sum + meanAuroc / runs.length, 0);
  const each = runs.map(({ meanAuroc }) => meanAuroc.toFixed(3)).join(", ");
  return `| ${data} | ${runs.length} | ${runs.map(({ seconds }) => seconds.toFixed(0)).join(", ")} | ${
    largest(({ memory }) => memory).toFixed(0)
  } | ${largest(({ epsilon }) => epsilon).toFixed(3)} | ${mean.toFixed(3)} (${each}) |`;
}

async function measure(data: string, args: readonly string[]): Promise<DemoRun> {
  const out = await Deno.makeTempDir();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", "cli/main.ts", "demo", "--json", "--out", `${out}/run`, ...args],
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let memory = 0;
  const timer = setInterval(() => memory = Math.max(memory, largestProcess(child.pid)), 250);
  const { code, stdout } = await child.output();
  clearInterval(timer);
  await Deno.remove(out, { recursive: true });
  if (code !== 0) throw new Error(`the demo on ${data} data ended with ${code}`);
  const { seconds, privacy, tasks }: DemoOutput = JSON.parse(new TextDecoder().decode(stdout));
  const epsilon = Math.max(...privacy.map((row) => row.epsilon));
  const meanAuroc = MEAN_OF.reduce((sum, task) => sum + (tasks[task].auroc ?? NaN), 0) / MEAN_OF.length;
  return { data, seconds, memory, epsilon, meanAuroc };
}

/** Peak resident memory in MiB of a process or of the largest of its children (Linux). */
function largestProcess(pid: number): number {
  let largest = peakOf(pid);
  try {
    for (const child of Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).split(" ")) {
      if (child !== "") largest = Math.max(largest, largestProcess(Number(child)));
    }
  } catch {
    // The process has ended.
  }
  return largest;
}

function peakOf(pid: number): number {
  try {
    const match = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
    return match === null ? 0 : Number(match[1]) / 1024;
  } catch {
    return 0;
  }
}
