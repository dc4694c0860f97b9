import type { Mutant } from "./sites.ts";

/** A mutant that gives the same results as the original, and why. Lines may move: it is found by its text. */
export interface Equivalent {
  /** Path from the root of the tree. */
  readonly path: string;
  /** The line that is changed, without indentation. */
  readonly text: string;
  /** The operator; two mutants of a line by one operator are told apart by `found`. */
  readonly operator: string;
  /** The text that is replaced. */
  readonly found: string;
  /** Which of several equal places of the line, from 1. */
  readonly place?: number;
  /**
   * `work` where results stay the same, but not how fast they come, how work is divided among Workers, or how large a
   * buffer is at first: no test of results can see that, and the summary counts it apart.
   */
  readonly only?: "work";
  /** Why nothing that anybody can observe changes, or no result, in one sentence. */
  readonly reason: string;
}

/** The list that travels with the repository. */
export async function readEquivalents(): Promise<readonly Equivalent[]> {
  return JSON.parse(await Deno.readTextFile(new URL("equivalents.json", import.meta.url)));
}

/** What the list says of this mutant of a file, if it says anything. */
export function equivalentOf(
  list: readonly Equivalent[],
  mutant: Mutant,
  text: string,
): Equivalent | undefined {
  const start = text.lastIndexOf("\n", mutant.start - 1) + 1;
  const end = text.indexOf("\n", mutant.start);
  const line = text.slice(start, end < 0 ? undefined : end);
  const before = line.slice(0, mutant.start - start);
  return list.find((entry) =>
    entry.path === mutant.path && entry.operator === mutant.operator && entry.found === mutant.found &&
    entry.text === line.trim() &&
    (entry.place === undefined || before.split(entry.found).length === entry.place)
  );
}
