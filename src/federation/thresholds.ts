import type { InjectedModel, InjectionSample } from "../m3oe/mod.ts";

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

/**
 * Decision thresholds from public data only. A trained task takes the best F1 on the public validation split. An unseen
 * task has no label to use: its threshold makes the share of yes on public records equal the mean share of yes of the
 * trained tasks.
 * @param model the injected model
 * @param trained validation samples by trained task, labels used
 * @param unseen public samples by unseen yes-or-no task, labels not used
 */
export async function publicThresholds(
  model: InjectedModel,
  trained: ReadonlyMap<string, readonly InjectionSample[]>,
  unseen: ReadonlyMap<string, readonly InjectionSample[]>,
): Promise<Record<string, number>> {
  const thresholds: Record<string, number> = {};
  const shares: number[] = [];
  for (const [task, list] of trained) {
    const labels = list.map((sample) => Number(sample.label));
    if (labels.length === 0) continue;
    thresholds[task] = bestThreshold(await model.score(list), labels);
    shares.push(labels.reduce((sum, label) => sum + label, 0) / labels.length);
  }
  const share = shares.reduce((sum, value) => sum + value, 0) / Math.max(1, shares.length);
  for (const [task, list] of unseen) {
    if (list.length === 0) continue;
    thresholds[task] = prevalenceThreshold(await model.score(list), share);
  }
  return thresholds;
}
