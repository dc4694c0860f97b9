import type { Ended } from "./machine.ts";

/** One timed part. */
export interface Part {
  /** `demo`, `test` or `tutorial`. */
  readonly name: string;
  /** Variables that were passed on. */
  readonly kept: readonly string[];
  /** Day of the run. */
  readonly date: string;
  /** The machine, in words. */
  readonly machine: string;
  /** Processes that wanted a core when it began, by the system's one-minute average. */
  readonly load: number;
  /** The commit that was cloned. */
  readonly commit: string;
  /** Its commands in their order, up to the first that failed. */
  readonly ended: readonly Ended[];
}

const MIB = 2 ** 20;
/** What a page says of itself to be read back. */
const DATA = /^<!-- (\{.*\}) -->$/gm;

/** The parts that a page records. */
export function partsIn(page: string): Part[] {
  return [...page.matchAll(DATA)].map(([, json]) => JSON.parse(json) as Part);
}

/** The page: one section a part, oldest first, with its figures as data for the next run. */
export function pageOf(parts: readonly Part[]): string {
  return [
    "# A newcomer's wait, measured",
    "",
    "Empty home and cache, no Deno on the path, `npx` and a clone: downloads count. `deno run -A tools/fresh/main.ts`",
    "makes this page anew, and so stands outside of `deno task test`.",
    "",
    ...parts.flatMap(sectionOf),
  ].join("\n");
}

function sectionOf(part: Part): string[] {
  const { name, kept, date, machine, load, commit, ended } = part;
  const whole = ended.reduce((sum, { seconds }) => sum + seconds, 0);
  const bytes = ended.at(-1)?.homeBytes ?? 0;
  return [
    `## ${name}: ${clock(whole)}, ${
      ended.every(({ code }) => code === 0) ? "all commands ended with 0" : "failed"
    }`,
    "",
    `${date}, ${machine}, load ${load.toFixed(1)} at the start, commit ${commit.slice(0, 10)}; ` +
    `${kept.length === 0 ? "nothing" : kept.join(", ")} passed on from the environment; ` +
    `${(bytes / MIB).toFixed(0)} MiB in the home folder afterwards.`,
    "",
    "| command | exit | seconds | it ended with |",
    "| --- | --- | --- | --- |",
    ...ended.map(({ command, code, seconds, output }) =>
      `| \`${cell(command.split("\n")[0])}\` | ${code} | ${seconds.toFixed(1)} | ${cell(lastOf(output))} |`
    ),
    "",
    `<!-- ${
      JSON.stringify({ ...part, ended: ended.map((end) => ({ ...end, output: lastOf(end.output) })) })
    } -->`,
    "",
  ];
}

/** Text inside of a table. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

/** This machine, in words. */
export function machineInWords(): string {
  const gib = Deno.systemMemoryInfo().total / 2 ** 30;
  return `${navigator.hardwareConcurrency} CPU cores, ${gib.toFixed(0)} GiB, ${Deno.build.target}`;
}

function clock(seconds: number): string {
  return seconds < 100
    ? `${seconds.toFixed(0)} s`
    : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** The last line of the program itself with words in it, without colours, paths and marks of a table. */
function lastOf(output: string): string {
  // deno-lint-ignore no-control-regex
  const lines = output.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").split(/[\r\n]/)
    .filter((line) => /\w/.test(line) && !line.startsWith("npm "));
  const said = lines.find((line) => /^(Done in|ok \| \d|FAILED \| \d)/.test(line)) ?? lines.at(-1) ?? "";
  return said.trim().replace(/\/\S*\//g, "…/").replaceAll("--", "- -").slice(0, 120);
}
