import { accuracy, auroc, f1 } from "../local/mod.ts";
import type { InjectedModel, InjectionSample } from "../m3oe/mod.ts";
import type { OnProgress } from "../formats/progress.ts";

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
    /** F1 at the threshold. */
    readonly f1: number;
    /** Accuracy at the threshold. */
    readonly accuracy: number;
    /** Yes-minus-no logit above which the answer is yes. */
    readonly threshold: number;
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
 * @param thresholds decision thresholds by task, chosen on public validation data; 0 where a task has none
 */
export async function evaluateModel(
  model: InjectedModel,
  samples: ReadonlyMap<string, readonly InjectionSample[]>,
  thresholds: Readonly<Record<string, number>>,
  onProgress: OnProgress,
): Promise<Record<string, TaskResult>> {
  const results: Record<string, TaskResult> = {};
  let done = 0;
  const total = [...samples.values()].reduce((sum, list) => sum + list.length, 0);
  for (const [task, items] of samples) {
    if (items.length === 0) continue;
    onProgress({ stage: "evaluate", done, total, detail: task });
    results[task] = typeof items[0].label === "string" ? await openResult(model, items) : binaryResult(
      await model.score(items),
      items.map((item) => Number(item.label)),
      thresholds[task] ?? 0,
    );
    done += items.length;
  }
  onProgress({ stage: "evaluate", done: total, total });
  return results;
}

/** Metrics of yes/no scores at a threshold. */
export function binaryResult(
  scores: ArrayLike<number>,
  labels: readonly number[],
  threshold: number,
): TaskResult {
  const data = { scores, labels };
  return {
    type: "binary",
    n: labels.length,
    positives: labels.reduce((sum, label) => sum + label, 0),
    auroc: auroc(data) ?? null,
    f1: f1(data, threshold) ?? 0,
    accuracy: accuracy(data, threshold) ?? 0,
    threshold,
  };
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
