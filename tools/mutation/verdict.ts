import type { TestCoverage } from "./coverage.ts";
import { type Mutant, mutated } from "./sites.ts";
import { runTestFile } from "./test_run.ts";

/** What became of a mutant. A line that no test runs makes a survivor, too, by no test. */
export interface Verdict extends Mutant {
  /** Killed by a red test or by a limit that only this mutant passes. */
  readonly verdict: "killed" | "survived";
  /** How: the test was red, ended by a limit, all were green, or none runs the line. */
  readonly how: "red" | "timeout" | "green" | "not run";
  /** The test file that killed it. */
  readonly by: string | null;
  /** Test files run. */
  readonly ran: number;
  /** Seconds by the clock. */
  readonly seconds: number;
}

/** The tests that have killed most mutants of the same file first, then those that surely run the line, the cheapest first. */
export function likeliestFirst(
  tests: readonly TestCoverage[],
  { path, line }: Mutant,
  known: Iterable<Verdict>,
): readonly TestCoverage[] {
  const kills = new Map<string, number>();
  for (const { by, path: where } of known) {
    if (by !== null && where === path) kills.set(by, (kills.get(by) ?? 0) + 1);
  }
  const of = ({ test }: TestCoverage): number => kills.get(test) ?? 0;
  const runs = ({ lines }: TestCoverage): number => Number(lines[path]?.includes(line) ?? false);
  return tests.toSorted((a, b) => of(b) - of(a) || runs(b) - runs(a) || a.seconds - b.seconds);
}

/** Runs the tests that reach a mutant, in this order, until one is red. The copy is as before afterwards. */
export async function judge(
  mutant: Mutant,
  tests: readonly TestCoverage[],
  copy: string,
  shared: string,
): Promise<Verdict> {
  const path = `${copy}/${mutant.path}`;
  const text = await Deno.readTextFile(path);
  const began = performance.now();
  const end = (
    verdict: Verdict["verdict"],
    how: Verdict["how"],
    by: string | null,
    ran: number,
  ): Verdict => ({
    ...mutant,
    verdict,
    how,
    by,
    ran,
    seconds: Math.round((performance.now() - began) / 100) / 10,
  });
  if (tests.length === 0) return end("survived", "not run", null, 0);
  await Deno.writeTextFile(path, mutated(text, mutant));
  try {
    for (const [i, { test, seconds }] of tests.entries()) {
      const limits = { cpuSeconds: Math.ceil(2 * seconds + 5), wallSeconds: 400 };
      const { outcome } = await runTestFile(copy, test, limits, shared);
      if (outcome !== "green") return end("killed", outcome, test, i + 1);
    }
  } finally {
    await Deno.writeTextFile(path, text);
  }
  return end("survived", "green", null, tests.length);
}
