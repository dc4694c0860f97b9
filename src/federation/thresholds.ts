/** The threshold with the best F1 on validation scores; ties go to the lower one. */
export function bestThreshold(scores: ArrayLike<number>, labels: readonly number[]): number {
  const order = labels.map((_, i) => i).sort((a, b) => scores[b] - scores[a]);
  const positives = labels.reduce((sum, label) => sum + label, 0);
  let best = { f1: -1, threshold: 0 };
  let truePositives = 0;
  order.forEach((row, rank) => {
    truePositives += labels[row];
    const value = 2 * truePositives / (rank + 1 + positives);
    const next = rank + 1 < order.length ? scores[order[rank + 1]] : scores[row] - 1;
    if (value >= best.f1 && next < scores[row]) {
      const middle = (scores[row] + next) / 2;
      best = { f1: value, threshold: middle < scores[row] ? middle : next };
    }
  });
  return best.threshold;
}

/**
 * The threshold above which a given share of scores lies: for a task without any label that may be used.
 * @param scores yes-minus-no logits of unlabelled public records
 * @param positiveShare share of answers that shall be yes, in (0, 1)
 */
export function prevalenceThreshold(scores: ArrayLike<number>, positiveShare: number): number {
  const sorted = Float64Array.from(scores).sort();
  const rank = Math.min(sorted.length - 1, Math.max(1, Math.round(sorted.length * (1 - positiveShare))));
  return sorted.length === 0 ? 0 : (sorted[rank] + sorted[Math.max(0, rank - 1)]) / 2;
}
