/**
 * `deno task test`: type-checks everything once, then runs the suites below `tests/`, two processes at a time, the ones
 * with the largest time budgets (`docs/testing.md`) first. Many tests wait for processes of their own, so one after the
 * other leaves a core idle. What a file prints stays together, and the last line is that of `deno test` for all suites.
 * `deno task test PATH...` is plain `deno test -A PATH...`.
 *
 * @module
 */
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { REPOSITORY } from "../_source_files.ts";
import { BUDGETS_PAGE, budgetsOf } from "../test_times.ts";
import { countsOf, NONE, type SuiteEnd, suiteEnd, summaryLine, together } from "./summary.ts";

const LANES = 2;
const IN_COLOUR = Deno.stdout.isTerminal() && !Deno.noColor;

/** What `deno task check` checks: after it the check of the tests costs nothing. */
const CHECKED = ["mod.ts", "cli/", "src/", "tests/", "bench/", "tools/", "examples/"];

/** Suites that there are, the longest first. */
async function suites(): Promise<string[]> {
  const budgets = budgetsOf(await Deno.readTextFile(join(REPOSITORY, BUDGETS_PAGE)));
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(REPOSITORY, "tests"))) {
    if (isDirectory && name !== "vectors") found.push(name);
  }
  return found.sort((a, b) => (budgets.get(b) ?? 0) - (budgets.get(a) ?? 0) || (a < b ? -1 : 1));
}

/** Runs `deno` and hands over every line of both of its streams. */
async function deno(args: readonly string[], onLine: (line: string) => void): Promise<number | string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: REPOSITORY,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const read = async (stream: ReadableStream<Uint8Array>) => {
    const input = Readable.fromWeb(stream as NodeReadableStream);
    for await (const line of createInterface({ input, crlfDelay: Infinity })) onLine(line);
  };
  const [status] = await Promise.all([child.status, read(child.stdout), read(child.stderr)]);
  return status.signal ?? status.code;
}

async function runSuite(suite: string): Promise<SuiteEnd> {
  const all: string[] = [];
  let block: string[] = [];
  const flush = () => {
    if (block.length > 0) console.log(block.join("\n"));
    block = [];
  };
  const status = await deno(["test", "-A", "--no-check", `tests/${suite}/`], (line) => {
    // Deno colours its lines in a pipe too.
    const plain = stripVTControlCharacters(line);
    if (plain.startsWith("running ")) flush();
    all.push(plain);
    if (countsOf(plain) === undefined) block.push(IN_COLOUR ? line : plain);
  });
  flush();
  return suiteEnd(suite, all, status);
}

async function runAll(): Promise<number> {
  const start = performance.now();
  const unchecked = await deno(["check", ...CHECKED], (line) => {
    const plain = stripVTControlCharacters(line);
    if (!plain.startsWith("Check ")) console.error(plain);
  });
  if (unchecked !== 0) return 1;
  const queue = await suites();
  const ends: SuiteEnd[] = [];
  const lane = async () => {
    for (let suite = queue.shift(); suite !== undefined; suite = queue.shift()) {
      ends.push(await runSuite(suite));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const counts = ends.map((end) => end.counts).reduce(together, NONE);
  for (const { remark } of ends) if (remark !== undefined) console.log(remark);
  if (counts.failed > 0) {
    console.log(["", " FAILURES ", "", ...ends.flatMap((end) => end.failures)].join("\n"));
  }
  console.log(`\n${summaryLine(counts, (performance.now() - start) / 1000)}`);
  return counts.failed > 0 ? 1 : 0;
}

if (import.meta.main) {
  if (Deno.args.length > 0) {
    const { code } = await new Deno.Command(Deno.execPath(), { args: ["test", "-A", ...Deno.args] }).spawn()
      .status;
    Deno.exit(code);
  }
  Deno.exit(await runAll());
}
