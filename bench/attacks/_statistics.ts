import { auroc } from "../../src/local/mod.ts";
import { clopperPearsonUpper, type DpEvent, privacyCurve, tradeOff } from "../../src/dp/mod.ts";

/** Rate of false alarms at which attacks are compared. */
export const FALSE_POSITIVES = 1e-3;

/** How well scores tell members from others. */
export interface Separation {
  /** Area under the ROC curve. */
  readonly auc: number;
  /** True-positive rate at a false-positive rate of 0.1 %. */
  readonly tpr: number;
  /** 95 % Clopper-Pearson interval of it, taking trials as independent. */
  readonly interval: readonly [number, number];
  /** Members tried. */
  readonly members: number;
  /** Others tried. */
  readonly others: number;
}

/** Scores of members and of others. */
export interface Scored {
  readonly members: number[];
  readonly others: number[];
}

/** AUC and TPR at 0.1 % FPR. */
export function separation({ members, others }: Scored): Separation {
  const scores = [...members, ...others];
  const labels = scores.map((_, i) => i < members.length ? 1 : 0);
  const falling = [...others].sort((a, b) => b - a);
  const threshold = falling[Math.floor(FALSE_POSITIVES * others.length)];
  const hits = members.filter((score) => score > threshold).length;
  const n = members.length;
  return {
    auc: auroc({ scores, labels }) ?? NaN,
    tpr: hits / n,
    interval: [1 - clopperPearsonUpper(n - hits, n, 0.025), clopperPearsonUpper(hits, n, 0.025)],
    members: n,
    others: others.length,
  };
}

/** What no attack can exceed, by the accountant's curve. */
export interface Bound {
  /** Epsilon at delta 1e-5. */
  readonly epsilon: number;
  /** Largest AUC. */
  readonly auc: number;
  /** Largest TPR at 0.1 % FPR. */
  readonly tpr: number;
}

const GRID = Array.from({ length: 1200 }, (_, i) => i / 10);

/** Bounds of an event under adding or removing one unit. */
export function boundOf(event: DpEvent): Bound {
  const curve = privacyCurve(event, GRID, { neighboring: "add_or_remove_one" });
  const cells = 2000;
  let auc = 0;
  // The ROC curve is concave: the right end of a cell bounds it from above.
  for (let i = 1; i <= cells; i++) auc += (1 - tradeOff(curve, i / cells)) / cells;
  return {
    epsilon: curve.find(({ delta }) => delta <= 1e-5)?.epsilon ?? Infinity,
    auc,
    tpr: 1 - tradeOff(curve, FALSE_POSITIVES),
  };
}

/** Arithmetic mean. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value / values.length, 0);
}
