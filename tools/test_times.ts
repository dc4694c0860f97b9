/**
 * `deno run --allow-read tools/test_times.ts LOG`: how long each suite of a test run took, against its budget in
 * `docs/testing.md`. A suite that is over its budget is named and fails nothing: times depend on the machine, and a test
 * that asserts them fails on a busy one.
 *
 * @module
 */
import { join } from "node:path";
import { REPOSITORY } from "./_source_files.ts";

/** Where the budgets are, from the root of the repository. */
export const BUDGETS_PAGE = "docs/testing.md";

/** What a suite took. */
export interface SuiteTime {
  /** Folder below `tests/`. */
  readonly suite: string;
  /** Number of tests that ran. */
  readonly tests: number;
  /** Wall-clock time of its tests, seconds. */
  readonly seconds: number;
}

/** Adds up the tests of a log that `deno test` has written without colours, suite by suite. */
export function suiteTimes(log: string): SuiteTime[] {
  const found = new Map<string, { tests: number; seconds: number }>();
  let suite = "";
  for (const line of log.split("\n")) {
    suite = /^running \d+ tests? from \.\/tests\/([^/]+)\//.exec(line)?.[1] ?? suite;
    const ended = /^\S.* \.\.\. (?:ok|FAILED) \((?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?\)$/.exec(line);
    if (ended === null) continue;
    const [minutes, seconds, milliseconds] = ended.slice(1).map((text) => Number(text ?? 0));
    const sum = found.get(suite) ?? { tests: 0, seconds: 0 };
    const took = 60 * minutes + seconds + milliseconds / 1000;
    found.set(suite, { tests: sum.tests + 1, seconds: sum.seconds + took });
  }
  return [...found].map(([name, sum]) => ({ suite: name, ...sum }));
}

/** Budgets by suite, seconds, as the page's table gives them. */
export function budgetsOf(page: string): Map<string, number> {
  return new Map(
    [...page.matchAll(/^\| `tests\/([^`/]+)\/` +\| +(\d+) +\|/gm)].map(([, suite, seconds]) => [
      suite,
      Number(seconds),
    ]),
  );
}

/** The table that is printed, slowest suite first, and a line for each suite that is over its budget or has none. */
export function timesTable(times: readonly SuiteTime[], budgets: ReadonlyMap<string, number>): string {
  const rows = times.toSorted((a, b) => b.seconds - a.seconds).map(({ suite, tests, seconds }) => {
    const budget = budgets.get(suite);
    const verdict = budget === undefined ? "no budget" : seconds > budget ? "OVER BUDGET" : "";
    return { suite, tests, seconds, budget, verdict };
  });
  const whole = times.reduce((sum, { seconds }) => sum + seconds, 0);
  const allowed = [...budgets.values()].reduce((sum, seconds) => sum + seconds, 0);
  const line = (name: string, tests: string, seconds: string, budget: string, verdict: string) =>
    `${name.padEnd(18)}${tests.padStart(7)}${seconds.padStart(9)}${budget.padStart(8)}  ${verdict}`.trimEnd();
  return [
    line("suite", "tests", "seconds", "budget", ""),
    ...rows.map(({ suite, tests, seconds, budget, verdict }) =>
      line(suite, String(tests), seconds.toFixed(0), String(budget ?? "–"), verdict)
    ),
    line(
      "together",
      String(times.reduce((sum, { tests }) => sum + tests, 0)),
      whole.toFixed(0),
      String(allowed),
      "",
    ),
  ].join("\n");
}

if (import.meta.main) {
  const [log] = Deno.args;
  if (log === undefined) {
    console.error("Name the log of a test run: NO_COLOR=1 deno task test 2>&1 | tee LOG");
    Deno.exit(2);
  }
  const budgets = budgetsOf(await Deno.readTextFile(join(REPOSITORY, BUDGETS_PAGE)));
  console.log(timesTable(suiteTimes(await Deno.readTextFile(log)), budgets));
}
