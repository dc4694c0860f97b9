import { FedKimError } from "../formats/errors.ts";
import type { SiteSet } from "./site_data.ts";

/** The most answers that an open task's head can give. */
const MOST_ANSWERS = 64;

/**
 * An answer without differences that carry no meaning: case, spaces at the ends and between words, a full
 * stop.
 */
export function normalAnswer(text: string): string {
  return text.trim().toLowerCase().replace(/\s+/g, " ").replace(/\.$/, "");
}

/**
 * What a local head can answer to an open question: the most frequent answers of the public records, so that
 * the list tells nothing about private ones. Anything else stays to the language model.
 */
export function answersOf(set: SiteSet, task: string): string[] {
  const counts = new Map<string, number>();
  for (const { labels } of set.records) {
    const label = labels.get(task);
    if (label === null || label === undefined) continue;
    const answer = normalAnswer(String(label));
    counts.set(answer, (counts.get(answer) ?? 0) + 1);
  }
  if (counts.size < 2) {
    throw new FedKimError("DatasetError", `The public records give too few answers to the task ${task}.`, {
      found: `${counts.size} distinct answers`,
      needed: "at least two",
    });
  }
  const ranked = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return ranked.slice(0, MOST_ANSWERS).map(([answer]) => answer);
}
