import { calibrationError } from "./calibration.ts";
import { accuracy, auprc, auroc, brier, f1, type ScoredLabels } from "./metrics.ts";
import type { HeadSpec } from "./spec.ts";

/** Scores and targets of some records of one task. */
export interface Judged {
  /** Outputs K per record. */
  readonly outputs: number;
  /** Row-major [n, K]. */
  readonly scores: ArrayLike<number>;
  /** Row-major [n, K]; a row of zeros is an open answer that the head cannot give. */
  readonly labels: ArrayLike<number>;
}

/** A figure of merit; undefined where it is not defined, for example with one class only. */
export type Figure = (data: Judged) => number | undefined;

/**
 * The figures that a task's type is judged by.
 *
 * - binary: AUROC, average precision, accuracy, F1, Brier score, expected calibration error
 * - multiclass: accuracy of the largest logit, macro F1, macro one-against-rest AUROC
 * - open: accuracy, where an answer outside of the list is missed
 * - multilabel: macro AUROC, macro F1, share of right single labels
 * - regression: root mean square error and mean absolute error in public standard deviations, R^2
 *
 * Macro means leave out classes without a defined figure.
 *
 * @param type the task's type
 * @returns figures by name
 */
export function figuresOf(type: HeadSpec["type"]): Readonly<Record<string, Figure>> {
  switch (type) {
    case "binary":
      return { auroc, auprc, accuracy, f1, brier, calibrationError: (data) => calibrationError(data) };
    case "multiclass":
      return {
        accuracy: topAccuracy,
        macroF1: (data) => macro(decided(data), (column) => f1(column, 0.5)),
        macroAuroc: (data) => macro(data, auroc),
      };
    case "open":
      return { accuracy: topAccuracy };
    case "multilabel":
      return {
        macroAuroc: (data) => macro(data, auroc),
        macroF1: (data) => macro(data, f1),
        accuracy: (data) => accuracy(data),
      };
    case "regression":
      return { rmse, meanAbsoluteError, r2 };
  }
}

/** Mean of a binary figure over columns. */
function macro(data: Judged, figure: (column: ScoredLabels) => number | undefined): number | undefined {
  const values = Array.from({ length: data.outputs }, (_, k) => {
    const column = (values: ArrayLike<number>): number[] =>
      Array.from({ length: values.length / data.outputs }, (_, row) => values[row * data.outputs + k]);
    return figure({ scores: column(data.scores), labels: column(data.labels) });
  }).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value / values.length, 0);
}

/** Column of the largest logit of every record. */
function decisions({ scores, outputs }: Judged): number[] {
  return Array.from({ length: scores.length / outputs }, (_, row) => {
    let best = 0;
    for (let k = 1; k < outputs; k++) if (scores[row * outputs + k] > scores[row * outputs + best]) best = k;
    return best;
  });
}

/** The same records with 1 for the decision and 0 for everything else. */
function decided(data: Judged): Judged {
  const chosen = decisions(data);
  const scores = Float64Array.from(data.scores, (_, at) => {
    return chosen[Math.floor(at / data.outputs)] === at % data.outputs ? 1 : 0;
  });
  return { ...data, scores };
}

function topAccuracy(data: Judged): number | undefined {
  const chosen = decisions(data);
  const right = chosen.filter((k, row) => data.labels[row * data.outputs + k] === 1).length;
  return chosen.length === 0 ? undefined : right / chosen.length;
}

function meanOf({ scores, labels }: Judged, part: (error: number) => number): number | undefined {
  let sum = 0;
  for (let at = 0; at < labels.length; at++) sum += part(scores[at] - labels[at]);
  return labels.length === 0 ? undefined : sum / labels.length;
}

function rmse(data: Judged): number | undefined {
  const square = meanOf(data, (error) => error * error);
  return square === undefined ? undefined : Math.sqrt(square);
}

function meanAbsoluteError(data: Judged): number | undefined {
  return meanOf(data, Math.abs);
}

/** Share of variance explained; undefined for labels that are all equal. */
function r2(data: Judged): number | undefined {
  const labels = Array.from(data.labels);
  const mean = labels.reduce((sum, label) => sum + label / labels.length, 0);
  const spread = labels.reduce((sum, label) => sum + (label - mean) ** 2, 0);
  const error = meanOf(data, (difference) => difference * difference);
  return error === undefined || spread === 0 ? undefined : 1 - (error * labels.length) / spread;
}
