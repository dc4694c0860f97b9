import { wilson } from "./statistics.ts";
import type { Verdict } from "./verdict.ts";

/** What a run found. */
export interface MutationReport {
  /** Mutants that the operators make of the folders. */
  readonly population: number;
  /** Mutants drawn and judged. */
  readonly judged: number;
  /** Killed ones. */
  readonly killed: number;
  /** Seed of the sample. */
  readonly seed: number;
  /** Share killed, with Wilson's 95 % interval for the whole population. */
  readonly score: number;
  /** The interval. */
  readonly interval: readonly [low: number, high: number];
  /** Judged and killed, by folder. */
  readonly folders: Readonly<Record<string, { readonly judged: number; readonly killed: number }>>;
  /** The survivors. */
  readonly survivors: readonly Pick<Verdict, "id" | "path" | "line" | "operator" | "found" | "how">[];
}

/** Adds the verdicts up. */
export function reportOf(verdicts: readonly Verdict[], population: number, seed: number): MutationReport {
  const folders: Record<string, { judged: number; killed: number }> = {};
  for (const { path, verdict } of verdicts) {
    const folder = folders[path.split("/").slice(0, 2).join("/")] ??= { judged: 0, killed: 0 };
    folder.judged++;
    if (verdict === "killed") folder.killed++;
  }
  const killed = verdicts.filter(({ verdict }) => verdict === "killed").length;
  return {
    population,
    judged: verdicts.length,
    killed,
    seed,
    score: verdicts.length === 0 ? 0 : killed / verdicts.length,
    interval: wilson(killed, verdicts.length),
    folders,
    survivors: verdicts.filter(({ verdict }) => verdict === "survived")
      .map(({ id, path, line, operator, found, how }) => ({ id, path, line, operator, found, how })),
  };
}

/** The report for a terminal. */
export function textOf(
  { population, judged, killed, seed, score, interval, survivors }: MutationReport,
): string {
  const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
  const rows = survivors.map(({ path, line, operator, found, how }) =>
    `  ${path}:${line} ${operator}: ${JSON.stringify(found)}${
      how === "not run" ? " (no test runs the line)" : ""
    }`
  );
  return [
    `${killed} of ${judged} mutants killed, ${percent(score)} (95 % interval ${percent(interval[0])} to ` +
    `${percent(interval[1])}); drawn from ${population} with seed ${seed}`,
    ...rows,
  ].join("\n");
}
