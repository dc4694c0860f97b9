import { accuracy, auroc, bootstrap, brier, calibrationError, f1, type ScoredLabels } from "../local/mod.ts";
import type { InjectedModel, InjectionSample } from "../m3oe/mod.ts";
import type { OnProgress } from "../formats/progress.ts";
import type { TaskDecision } from "./decisions.ts";
import type { TaskSamples } from "./injection_samples.ts";

/** Quality of one task on a dataset folder. */
export type TaskResult =
  | {
    readonly type: "binary";
    /** Labelled records. */
    readonly n: number;
    /** Records with the label yes. */
    readonly positives: number;
    /** Area under the ROC curve; null with one class only. */
    readonly auroc: number | null;
    /** 95 % bootstrap interval of the AUROC over privacy units; null where it cannot be drawn. */
    readonly aurocInterval: readonly [number, number] | null;
    /** Share of the records called yes that are; 0 where none is called. */
    readonly precision: number;
    /** Share of the positive records that are called yes. */
    readonly recall: number;
    /** F1 at the threshold. */
    readonly f1: number;
    /** Accuracy at the threshold. */
    readonly accuracy: number;
    /** Yes-minus-no logit above which the answer is yes. */
    readonly threshold: number;
    /** Brier score of the calibrated probabilities; null for an uncalibrated task. */
    readonly brier: number | null;
    /** Expected calibration error of the calibrated probabilities; null for an uncalibrated task. */
    readonly calibrationError: number | null;
  }
  | {
    readonly type: "open";
    /** Labelled records. */
    readonly n: number;
    /** Share of answers that equal the reference, ignoring case and space. */
    readonly exactMatch: number;
    /** Mean token F1 between answer and reference. */
    readonly tokenF1: number;
  };

/**
 * Scores every task: yes/no by constrained likelihood, open ones by greedy generation.
 * @param model the injected foundation model
 * @param samples samples by task
 * @param decisions thresholds and calibrations by task, from public data; a task without one is decided at 0
 */
export async function evaluateModel(
  model: InjectedModel,
  samples: ReadonlyMap<string, TaskSamples>,
  decisions: Readonly<Record<string, TaskDecision>>,
  onProgress: OnProgress,
): Promise<Record<string, TaskResult>> {
  const results: Record<string, TaskResult> = {};
  let done = 0;
  const total = [...samples.values()].reduce((sum, list) => sum + list.samples.length, 0);
  for (const [task, { samples: items, units }] of samples) {
    if (items.length === 0) continue;
    onProgress({ stage: "evaluate", done, total, detail: task });
    results[task] = typeof items[0].label === "string" ? await openResult(model, items) : binaryResult(
      await model.score(items),
      items.map((item) => Number(item.label)),
      decisions[task] ?? { threshold: 0 },
      units,
    );
    done += items.length;
  }
  onProgress({ stage: "evaluate", done: total, total });
  return results;
}

/**
 * Metrics of yes/no scores.
 * @param scores yes-minus-no logits
 * @param labels 0 or 1 for each
 * @param decision threshold and calibration
 * @param units privacy unit of each record: what the interval is drawn over
 */
export function binaryResult(
  scores: ArrayLike<number>,
  labels: readonly number[],
  { threshold, calibration }: TaskDecision,
  units: readonly string[],
): TaskResult {
  const data = { scores, labels };
  const interval = bootstrap({ outputs: 1, scores, labels }, units, auroc);
  const calibratedLogits = calibration === undefined
    ? undefined
    : Array.from(scores, (score) => calibration.slope * score + calibration.intercept);
  const probable = calibratedLogits && { scores: calibratedLogits, labels };
  return {
    type: "binary",
    n: labels.length,
    positives: labels.reduce((sum, label) => sum + label, 0),
    auroc: auroc(data) ?? null,
    aurocInterval: interval?.low === undefined ? null : [interval.low, interval.high!],
    ...precisionRecall(data, threshold),
    f1: f1(data, threshold) ?? 0,
    accuracy: accuracy(data, threshold) ?? 0,
    threshold,
    brier: (probable && brier(probable)) ?? null,
    calibrationError: (probable && calibrationError(probable)) ?? null,
  };
}

function precisionRecall(
  { scores, labels }: ScoredLabels,
  threshold: number,
): { readonly precision: number; readonly recall: number } {
  let called = 0, positives = 0, hits = 0;
  for (let row = 0; row < labels.length; row++) {
    const yes = scores[row] > threshold;
    if (yes) called++;
    if (labels[row] === 1) positives++;
    if (yes && labels[row] === 1) hits++;
  }
  return { precision: hits / Math.max(1, called), recall: hits / Math.max(1, positives) };
}

async function openResult(
  model: InjectedModel,
  items: readonly InjectionSample[],
): Promise<TaskResult> {
  const answers = await model.answer([...items], 6);
  let exact = 0;
  let overlap = 0;
  answers.forEach((answer, i) => {
    const found = words(answer);
    const wanted = words(String(items[i].label));
    if (found.join(" ") === wanted.join(" ")) exact++;
    const common = found.filter((word) => wanted.includes(word)).length;
    if (common > 0) overlap += 2 * common / (found.length + wanted.length);
  });
  return { type: "open", n: items.length, exactMatch: exact / items.length, tokenF1: overlap / items.length };
}

function words(text: string): string[] {
  return text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
}
