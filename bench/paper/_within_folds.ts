import { correlation } from "../correlation.ts";
import { auroc } from "../../src/local/mod.ts";
import type { JobResult } from "./_outcome.ts";
import { LOCAL_HEADS } from "./_settings.ts";

/**
 * AUROC over pairs of records of the same fold: models of different folds have different scales, so their scores are
 * never compared with each other, and a fold with few positives counts little.
 *
 * @param role only folds in which the task has this role count
 * @returns undefined when no fold has both classes, or the variant does not answer the task
 */
export function withinFolds(
  results: readonly JobResult[],
  variant: string,
  task: string,
  role?: "train" | "unseen",
): number | undefined {
  let right = 0, pairs = 0;
  for (const { cells, truth } of results) {
    const outcome = cells.find(({ method }) => method === variant)?.tasks[task];
    if (outcome?.kind !== "binary" || (role !== undefined && truth[task].role !== role)) continue;
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

/**
 * How closely a variant follows the local heads: correlation of its score with the head's logit on the same records,
 * the mean over tasks and folds.
 *
 * @returns undefined where a variant or the heads answer no task
 */
export function agreement(
  results: readonly JobResult[],
  variant: string,
  tasks: readonly string[],
): number | undefined {
  const found = results.flatMap(({ cells }) => {
    const outcomes = (name: string) => cells.find(({ method }) => method === name)?.tasks ?? {};
    const [own, heads] = [outcomes(variant), outcomes(LOCAL_HEADS)];
    return tasks.flatMap((task) => {
      const [a, b] = [own[task], heads[task]];
      return a?.kind === "binary" && b?.kind === "binary" ? [correlation(a.scores, b.scores)] : [];
    });
  });
  return found.length === 0 ? undefined : found.reduce((sum, value) => sum + value, 0) / found.length;
}
