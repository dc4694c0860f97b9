import type { ScoredLabels } from "./metrics.ts";

/** Records whose predicted probability lies in one bin. */
export interface ReliabilityBin {
  /** Records. */
  readonly count: number;
  /** Their mean predicted probability. */
  readonly predicted: number;
  /** Their share of positives. */
  readonly observed: number;
}

/**
 * Reliability diagram (DeGroot and Fienberg 1983): predicted against observed, in bins of equal width that
 * are closed on the right.
 *
 * @param data logits and 0/1 labels
 * @param bins number of bins
 * @returns bins that hold records, by rising probability
 */
export function reliability({ scores, labels }: ScoredLabels, bins: number = 10): ReliabilityBin[] {
  const counts = new Float64Array(bins), sums = new Float64Array(bins), positives = new Float64Array(bins);
  for (let row = 0; row < labels.length; row++) {
    const probability = 1 / (1 + Math.exp(-scores[row]));
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(probability * bins) - 1));
    counts[bin]++;
    sums[bin] += probability;
    positives[bin] += labels[row];
  }
  return Array.from(counts, (count, bin) => {
    return { count, predicted: sums[bin] / count, observed: positives[bin] / count };
  }).filter(({ count }) => count > 0);
}

/**
 * Expected calibration error: mean over records of |predicted - observed| of their bin (Naeini et al. 2015,
 * section 3).
 *
 * @param data logits and 0/1 labels
 * @param bins number of bins
 * @returns a number in [0, 1], or undefined without records
 */
export function calibrationError(data: ScoredLabels, bins: number = 10): number | undefined {
  const total = data.labels.length;
  if (total === 0) return undefined;
  return reliability(data, bins).reduce((sum, { count, predicted, observed }) => {
    return sum + (count / total) * Math.abs(predicted - observed);
  }, 0);
}
