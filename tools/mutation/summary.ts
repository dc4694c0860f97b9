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
  /** Survivors that are shown to change nothing. */
  readonly equivalent: number;
  /** Share killed of those that are not, with its interval. */
  readonly scoreWithout: number;
  /** The interval of that. */
  readonly intervalWithout: readonly [low: number, high: number];
  /** Survivors among these that change work alone: speed, its division, the first size of a buffer. */
  readonly work: number;
  /** Share killed of those that may change a result, with its interval. */
  readonly scoreOfResults: number;
  /** The interval of that. */
  readonly intervalOfResults: readonly [low: number, high: number];
  /** The survivors; with a reason where nothing is to be killed. */
  readonly survivors: readonly (Pick<Verdict, "id" | "path" | "line" | "operator" | "found" | "how"> & {
    readonly reason?: string;
  })[];
}

/**
 * Adds the verdicts up.
 * @param reasons why mutants change nothing, or work alone, by id
 * @param workOnly those of them that change work
 * @throws Error where a test has killed one of these
 */
export function reportOf(
  verdicts: readonly Verdict[],
  population: number,
  seed: number,
  reasons: ReadonlyMap<string, string> = new Map(),
  workOnly: ReadonlySet<string> = new Set(),
): MutationReport {
  const wrong = verdicts.find(({ id, verdict }) => verdict === "killed" && reasons.has(id));
  if (wrong !== undefined) {
    throw new Error(`${wrong.path}:${wrong.line} is no equivalent: ${wrong.by} kills it`);
  }
  const folders: Record<string, { judged: number; killed: number }> = {};
  for (const { path, verdict } of verdicts) {
    const folder = folders[path.split("/").slice(0, 2).join("/")] ??= { judged: 0, killed: 0 };
    folder.judged++;
    if (verdict === "killed") folder.killed++;
  }
  const killed = verdicts.filter(({ verdict }) => verdict === "killed").length;
  const work = verdicts.filter(({ id }) => workOnly.has(id)).length;
  const equivalent = verdicts.filter(({ id }) => reasons.has(id)).length - work;
  const others = verdicts.length - equivalent;
  const ofResults = others - work;
  return {
    population,
    judged: verdicts.length,
    killed,
    seed,
    score: verdicts.length === 0 ? 0 : killed / verdicts.length,
    interval: wilson(killed, verdicts.length),
    folders,
    equivalent,
    scoreWithout: others === 0 ? 0 : killed / others,
    intervalWithout: wilson(killed, others),
    work,
    scoreOfResults: ofResults === 0 ? 0 : killed / ofResults,
    intervalOfResults: wilson(killed, ofResults),
    survivors: verdicts.filter(({ verdict }) => verdict === "survived")
      .map(({ id, path, line, operator, found, how }) => {
        const reason = reasons.get(id);
        return { id, path, line, operator, found, how, ...(reason === undefined ? {} : { reason }) };
      }),
  };
}

/** The report for a terminal. */
export function textOf(report: MutationReport): string {
  const { population, judged, killed, seed, equivalent, work, survivors } = report;
  const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
  const rate = (score: number, [low, high]: readonly [number, number]) =>
    `${percent(score)} (95 % interval ${percent(low)} to ${percent(high)})`;
  const rows = survivors.map(({ path, line, operator, found, how, reason }) =>
    `  ${path}:${line} ${operator}: ${JSON.stringify(found)}${
      reason === undefined ? how === "not run" ? " (no test runs the line)" : "" : ` = ${reason}`
    }`
  );
  return [
    `${killed} of ${judged} mutants killed, ${
      rate(report.score, report.interval)
    }; drawn from ${population} with seed ${seed}`,
    `${killed} of ${judged - equivalent} without ${equivalent} equivalents, ${
      rate(report.scoreWithout, report.intervalWithout)
    }`,
    `${killed} of ${judged - equivalent - work} without ${work} that change work alone, ${
      rate(report.scoreOfResults, report.intervalOfResults)
    }`,
    ...rows,
  ].join("\n");
}
