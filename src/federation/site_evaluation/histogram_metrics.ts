import type { TaskBins } from "./evaluation_model.ts";
import type { Histogram } from "./histogram.ts";

/** Figures of a histogram; one that is not defined is undefined. */
export interface HistogramFigures {
  /** Units. */
  readonly n: number;
  /** Units labelled yes. */
  readonly positives: number;
  /** Area under the ROC curve, scores of one bin counting as tied. */
  readonly auroc: number | undefined;
  /** Share of right answers at the public threshold. */
  readonly accuracy: number | undefined;
  /** Share of the positives whose answer is yes. */
  readonly sensitivity: number | undefined;
  /** Share of the negatives whose answer is no. */
  readonly specificity: number | undefined;
  /** Mean squared difference of a bin's probability and the label. */
  readonly brier: number | undefined;
  /** Mean probability minus share of positives: above 0 the model expects too many. */
  readonly calibrationInTheLarge: number | undefined;
}

/** Names of the figures that have an interval. */
export const FIGURES = [
  "n",
  "positives",
  "auroc",
  "accuracy",
  "sensitivity",
  "specificity",
  "brier",
  "calibrationInTheLarge",
] as const;

/**
 * Figures from counts by label and bin. All of them are ratios of sums (the area: of products of independent sums), so
 * that noise of mean zero moves numerator and denominator on average not at all.
 *
 * @param counts counts, which noise may have made negative or fractional
 * @param bins what the bins stand for
 */
export function figuresOf(
  { no, yes }: Pick<Histogram, "no" | "yes">,
  { probabilities, firstYes }: Pick<TaskBins, "probabilities" | "firstYes">,
): HistogramFigures {
  let [negatives, positives, pairs, right, found, brier, expected] = [0, 0, 0, 0, 0, 0, 0];
  // Bins above the task's own number are empty by construction and hold noise only.
  probabilities.forEach((probability, bin) => {
    pairs += yes[bin] * (negatives + no[bin] / 2);
    negatives += no[bin];
    positives += yes[bin];
    right += bin >= firstYes ? yes[bin] : no[bin];
    found += bin >= firstYes ? yes[bin] : 0;
    brier += yes[bin] * (1 - probability) ** 2 + no[bin] * probability ** 2;
    expected += (yes[bin] + no[bin]) * probability;
  });
  const n = negatives + positives;
  return {
    n,
    positives,
    auroc: ratio(pairs, positives * negatives, negatives > 0 && positives > 0),
    accuracy: ratio(right, n, n > 0),
    sensitivity: ratio(found, positives, positives > 0),
    specificity: ratio(right - found, negatives, negatives > 0),
    brier: ratio(brier, n, n > 0),
    calibrationInTheLarge: n > 0 ? clamp((expected - positives) / n, -1, 1) : undefined,
  };
}

function ratio(above: number, below: number, defined: boolean): number | undefined {
  return defined ? clamp(above / below, 0, 1) : undefined;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
