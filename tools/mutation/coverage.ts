import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { runTestFile } from "./test_run.ts";

/** What one test file runs of the mutated folders. */
export interface TestCoverage {
  /** The test file, from the root. */
  readonly test: string;
  /** Seconds of CPU that it takes. */
  readonly seconds: number;
  /** Lines that it runs, by source file; none where it is red. */
  readonly lines: Readonly<Record<string, readonly number[]>>;
}

/** Far more than any test file takes. */
const LIMITS = { cpuSeconds: 400, wallSeconds: 600 };

/**
 * Measures each test file once with `deno test --coverage`, one a copy at a time, or takes what `cache` holds of
 * the same test; the source of a cache never changes. A test file that is red without any mutant is not used: it could
 * not tell one.
 */
export async function measureCoverage(
  copies: readonly string[],
  tests: readonly string[],
  shared: string,
  cache: string,
): Promise<TestCoverage[]> {
  const found: TestCoverage[] = [];
  let next = 0;
  await Promise.all(copies.map(async (root) => {
    while (next < tests.length) {
      const test = tests[next++];
      const key = createHash("sha256").update(test).update(await Deno.readFile(`${root}/${test}`)).digest(
        "hex",
      );
      const path = `${cache}/${key.slice(0, 32)}.json`;
      const known = await Deno.readTextFile(path).catch(() => undefined);
      const one = known === undefined
        ? await measureOne(root, test, shared)
        : JSON.parse(known) as TestCoverage;
      await Deno.writeTextFile(path, JSON.stringify(one));
      found.push(one);
    }
  }));
  return found.sort((a, b) => a.seconds - b.seconds);
}

async function measureOne(
  root: string,
  test: string,
  shared: string,
): Promise<TestCoverage> {
  const { outcome, cpuSeconds: seconds } = await runTestFile(root, test, LIMITS, shared);
  if (outcome !== "green") console.error(`${test} is ${outcome} without any mutant and left out: mend it`);
  if (outcome !== "green") return { test, seconds, lines: {} };
  const dir = await Deno.makeTempDir();
  await runTestFile(root, test, LIMITS, shared, [`--coverage=${dir}`]);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["coverage", "--lcov", dir],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  await Deno.remove(dir, { recursive: true });
  return { test, seconds, lines: linesRun(new TextDecoder().decode(stdout), root) };
}

/** Reads an lcov report: the lines with a count above zero, by file below `root`. */
export function linesRun(lcov: string, root: string): Record<string, number[]> {
  const lines: Record<string, number[]> = {};
  let file = "";
  for (const row of lcov.split("\n")) {
    if (row.startsWith("SF:")) {
      const path = row.slice(3);
      const plain = path.startsWith("file:") ? fileURLToPath(path) : path;
      file = plain.startsWith(`${root}/`) ? plain.slice(root.length + 1) : plain;
    } else if (row.startsWith("DA:")) {
      const [line, count] = row.slice(3).split(",").map(Number);
      if (count > 0) (lines[file] ??= []).push(line);
    }
  }
  return lines;
}

/** How far above a line a test is looked for that may run it. */
const NEAR = 12;

/**
 * The test files that run this line, cheapest first. A line counts as run only where all of it is: a guard that stands with
 * its `return` on one line is not run by a test for which it never fires. So a test that runs any of the lines above
 * counts, too: rather a test too many than a survivor that was judged by too few. A file that no coverage knows runs in a
 * worker, which Deno does not measure: for it every test of its folder.
 */
export function testsFor(
  coverage: readonly TestCoverage[],
  path: string,
  line: number,
): readonly TestCoverage[] {
  const folder = `tests/${path.split("/")[1]}/`;
  const known = coverage.filter(({ lines }) => path in lines);
  if (known.length === 0) return coverage.filter(({ test }) => test.startsWith(folder));
  return known.filter(({ lines }) => lines[path].some((at) => at <= line && at > line - NEAR));
}
