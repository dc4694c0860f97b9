import { auroc } from "../../src/local/mod.ts";
import type { JobResult } from "./_outcome.ts";

/**
 * AUROC over pairs of records of the same fold: models of different folds have different scales, so their scores are
 * never compared with each other, and a fold with few positives counts little.
 *
 * @returns undefined when no fold has both classes, or the variant does not answer the task
 */
export function withinFolds(
  results: readonly JobResult[],
  variant: string,
  task: string,
): number | undefined {
  let right = 0, pairs = 0;
  for (const { cells, truth } of results) {
    const outcome = cells.find(({ method }) => method === variant)?.tasks[task];
    if (outcome?.kind !== "binary") continue;
    const labels = truth[task].labels.map(Number);
    const value = auroc({ scores: outcome.scores, labels });
    if (value === undefined) continue;
    const positives = labels.reduce((sum, label) => sum + label, 0);
    const own = positives * (labels.length - positives);
    right += value * own;
    pairs += own;
  }
  return pairs === 0 ? undefined : right / pairs;
}
