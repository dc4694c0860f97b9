import { FedKimError } from "../formats/errors.ts";

/** Scores and 0/1 labels of the same records. */
export interface ScoredLabels {
  /** Greater = more likely positive. */
  readonly scores: ArrayLike<number>;
  /** 0 or 1. */
  readonly labels: ArrayLike<number>;
}

/**
 * Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties counting one
 * half (Mann and Whitney 1947).
 *
 * @returns a number in [0, 1], or undefined when one class is absent
 * @throws FedKimError `ModelError` when a score is not a number
 */
export function auroc({ scores, labels }: ScoredLabels): number | undefined {
  const order = byScore(scores, labels);
  let positives = 0, rankSum = 0;
  for (let start = 0; start < order.length;) {
    let end = start;
    while (end < order.length && scores[order[end]] === scores[order[start]]) end++;
    // Tied scores share the mean of their ranks start + 1 .. end.
    const rank = (start + 1 + end) / 2;
    for (let at = start; at < end; at++) {
      if (labels[order[at]] === 1) {
        positives++;
        rankSum += rank;
      }
    }
    start = end;
  }
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return undefined;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/**
 * Area under the precision-recall curve as average precision: sum over thresholds of the recall gained times
 * the precision there, without interpolation.
 *
 * @returns a number in [0, 1], or undefined without positives
 * @throws FedKimError `ModelError` when a score is not a number
 */
export function auprc({ scores, labels }: ScoredLabels): number | undefined {
  const order = byScore(scores, labels).reverse();
  const positives = order.filter((row) => labels[row] === 1).length;
  if (positives === 0) return undefined;
  let area = 0, hits = 0;
  for (let start = 0; start < order.length;) {
    let end = start, gained = 0;
    while (end < order.length && scores[order[end]] === scores[order[start]]) {
      if (labels[order[end++]] === 1) gained++;
    }
    hits += gained;
    area += (gained / positives) * (hits / end);
    start = end;
  }
  return area;
}

/**
 * Share of records on the right side of a threshold.
 *
 * @param data scores and labels
 * @param threshold a score above it is called positive; 0 for logits
 * @returns a number in [0, 1], or undefined without records
 */
export function accuracy(data: ScoredLabels, threshold: number = 0): number | undefined {
  const { truePositives, trueNegatives } = confusion(data, threshold);
  return data.labels.length === 0 ? undefined : (truePositives + trueNegatives) / data.labels.length;
}

/**
 * Harmonic mean of precision and recall.
 *
 * @param data scores and labels
 * @param threshold a score above it is called positive; 0 for logits
 * @returns a number in [0, 1]; 0 when nothing is found, undefined when there is nothing to find and nothing
 * is called
 */
export function f1(data: ScoredLabels, threshold: number = 0): number | undefined {
  const { truePositives, falsePositives, falseNegatives } = confusion(data, threshold);
  const denominator = 2 * truePositives + falsePositives + falseNegatives;
  return denominator === 0 ? undefined : (2 * truePositives) / denominator;
}

/**
 * Mean squared difference of probability and label (Brier 1950).
 *
 * @param data logits and labels
 * @returns a number in [0, 1], or undefined without records
 */
export function brier({ scores, labels }: ScoredLabels): number | undefined {
  let sum = 0;
  for (let row = 0; row < labels.length; row++) sum += (1 / (1 + Math.exp(-scores[row])) - labels[row]) ** 2;
  return labels.length === 0 ? undefined : sum / labels.length;
}

interface Confusion {
  readonly truePositives: number;
  readonly trueNegatives: number;
  readonly falsePositives: number;
  readonly falseNegatives: number;
}

function confusion({ scores, labels }: ScoredLabels, threshold: number): Confusion {
  const counts = [0, 0, 0, 0];
  for (let row = 0; row < labels.length; row++) {
    counts[(scores[row] > threshold ? 2 : 0) + (labels[row] === 1 ? 1 : 0)]++;
  }
  const [trueNegatives, falseNegatives, falsePositives, truePositives] = counts;
  return { truePositives, trueNegatives, falsePositives, falseNegatives };
}

/** Rows by rising score. */
function byScore(scores: ArrayLike<number>, labels: ArrayLike<number>): number[] {
  const rows = Array.from({ length: labels.length }, (_, row) => row);
  if (scores.length !== labels.length || rows.some((row) => Number.isNaN(scores[row]))) {
    throw new FedKimError("ModelError", "Scores cannot be ranked.", {
      found: scores.length === labels.length ? "a score that is not a number" : `${scores.length} scores`,
      needed: `${labels.length} numbers`,
    });
  }
  return rows.sort((a, b) => scores[a] - scores[b]);
}
