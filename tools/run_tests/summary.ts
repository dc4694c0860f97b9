import { stripVTControlCharacters } from "node:util";

/** What the last line of a `deno test` run says. */
export interface Counts {
  /** Tests that passed. */
  readonly passed: number;
  /** Their steps. */
  readonly steps: number;
  /** Tests that failed. */
  readonly failed: number;
  /** Tests that were skipped. */
  readonly ignored: number;
}

/** No tests. */
export const NONE: Counts = { passed: 0, steps: 0, failed: 0, ignored: 0 };

const SUMMARY =
  /^(?:ok|FAILED) \| (\d+) passed(?: \((\d+) steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?(?: \| (\d+) ignored(?: \(\d+ steps?\))?)?(?: \| \d+ measured)?(?: \| \d+ filtered out)? \(.*\)$/;

/** The counts of a summary line, with colours or without, or undefined for any other line. */
export function countsOf(line: string): Counts | undefined {
  const found = SUMMARY.exec(stripVTControlCharacters(line));
  if (found === null) return undefined;
  const [passed, steps, failed, ignored] = found.slice(1).map((text) => Number(text ?? 0));
  return { passed, steps, failed, ignored };
}

/** Counts of two runs together. */
export function together(a: Counts, b: Counts): Counts {
  return {
    passed: a.passed + b.passed,
    steps: a.steps + b.steps,
    failed: a.failed + b.failed,
    ignored: a.ignored + b.ignored,
  };
}

/** The line that `deno test` would end with, had it run everything in one process. */
export function summaryLine({ passed, steps, failed, ignored }: Counts, seconds: number): string {
  const time = seconds < 60
    ? `${Math.round(seconds)}s`
    : `${Math.floor(seconds / 60)}m${Math.round(seconds) % 60}s`;
  return `${failed > 0 ? "FAILED" : "ok"} | ${passed} passed${
    steps > 0 ? ` (${steps} step${steps === 1 ? "" : "s"})` : ""
  } | ${failed} failed${ignored > 0 ? ` | ${ignored} ignored` : ""} (${time})`;
}

/** How one suite's process ended. */
export interface SuiteEnd {
  /** Folder below `tests/`. */
  readonly suite: string;
  /** Its counts; a process that ended without a summary counts as one failure. */
  readonly counts: Counts;
  /** Names of failed tests, as the process lists them. */
  readonly failures: readonly string[];
  /** What else is to be said about it. */
  readonly remark?: string;
}

/**
 * Reads a suite's end from what its process printed. A process that is killed by a signal after it has said that all
 * tests passed counts as passed, with a remark: software Vulkan drivers sometimes abort while a process ends.
 * @param status exit status, or the name of the signal
 */
export function suiteEnd(suite: string, lines: readonly string[], status: number | string): SuiteEnd {
  const counts = lines.map(countsOf).findLast((found) => found !== undefined);
  const title = lines.findLastIndex((line) => line === " FAILURES ");
  const failures = title < 0 ? [] : lines.slice(title + 1).filter((line) => line.includes(" => "));
  if (counts === undefined) {
    const remark = `tests/${suite}/ ended without a summary (${status})`;
    return { suite, counts: { ...NONE, failed: 1 }, failures: [remark], remark };
  }
  if (counts.failed > 0 || status === 0) return { suite, counts, failures };
  const remark = `tests/${suite}/: the process ended with ${status} after its last test`;
  if (typeof status === "string") return { suite, counts, failures, remark };
  return { suite, counts: { ...counts, failed: 1 }, failures: [remark], remark };
}
