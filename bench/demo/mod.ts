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

/** Runs both demos and writes the table. */
export async function runDemoBench(): Promise<void> {
  const shared = Deno.env.get("FEDKIM_SHARED") ?? `${root}../shared`;
  const real = `${shared}/data/federated`;
  const rows = [await measure("synthetic", [])];
  if (existsSync(real)) {
    rows.push(await measure("real (four regions, eICU, NIH, MIT-BIH, VQA-RAD)", ["--data", real]));
  }
  const text = [
    "# The demo, measured",
    "",
    `${
      new Date().toISOString().slice(0, 10)
    }, ${navigator.hardwareConcurrency} CPU cores, Deno ${Deno.version.deno}, ` +
    "no GPU; `deno task bench demo` makes this table anew.",
    "",
    "| data | wall clock, s | peak memory of the largest process, MiB | largest epsilon | mean AUROC of five trained tasks |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
    "",
    `The mean is over ${
      MEAN_OF.join(", ")
    }; epsilon at delta 1e-5, PLD, against the server and one colluding site.`,
    "",
  ].join("\n");
  await Deno.writeTextFile(`${root}bench/results/demo.md`, text);
  console.log(text);
}

async function measure(label: string, args: readonly string[]): Promise<string> {
  const out = await Deno.makeTempDir();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", "cli/main.ts", "demo", "--json", "--out", `${out}/run`, ...args],
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let peak = 0;
  const timer = setInterval(() => peak = Math.max(peak, largestProcess(child.pid)), 250);
  const { code, stdout } = await child.output();
  clearInterval(timer);
  await Deno.remove(out, { recursive: true });
  if (code !== 0) throw new Error(`the demo on ${label} data ended with ${code}`);
  const result: DemoOutput = JSON.parse(new TextDecoder().decode(stdout));
  const epsilon = Math.max(...result.privacy.map((row) => row.epsilon));
  const mean = MEAN_OF.reduce((sum, task) => sum + (result.tasks[task].auroc ?? NaN), 0) / MEAN_OF.length;
  return `| ${label} | ${result.seconds.toFixed(0)} | ${peak.toFixed(0)} | ${epsilon.toFixed(3)} | ${
    mean.toFixed(3)
  } |`;
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
