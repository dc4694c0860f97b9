import { type LocalModelSpec, type LocalWeights, type SiteFeatures, taskScores } from "../../local/mod.ts";
import { calibrated, plattScaling } from "../platt_scaling.ts";
import { bestThreshold } from "../thresholds.ts";
import type { TaskBins } from "./evaluation_model.ts";

/** Scores and labels of public records. */
export interface PublicScores {
  /** Logits. */
  readonly scores: readonly number[];
  /** 0 or 1 for each. */
  readonly labels: readonly number[];
}

/**
 * Bins of one task from public data: quantiles of public scores, so that bins are fine where scores are, and the
 * threshold of the best F1 on public validation as one of the edges, so that decisions are counted exactly.
 * @param all public scores of training and validation records together; their labels are not used
 * @param validation public scores of validation records, with labels
 * @param most largest number of bins K
 */
export function taskBins(all: readonly number[], validation: PublicScores, most: number): TaskBins {
  const calibration = plattScaling(validation.scores, validation.labels);
  const probability = (score: number): number => calibrated(score, calibration ?? { slope: 1, intercept: 0 });
  const threshold = validation.scores.length === 0 ? 0 : bestThreshold(validation.scores, validation.labels);
  const sorted = Float64Array.from(all).sort();
  const quantiles = Array.from({ length: most - 2 }, (_, i) => {
    return sorted.length === 0 ? threshold : sorted[Math.floor((i + 1) * sorted.length / (most - 1))];
  });
  const edges = [...new Set([...quantiles, threshold])].filter(Number.isFinite).sort((a, b) => a - b);
  const sums = edges.concat(0).map(() => ({ sum: 0, count: 0 }));
  for (const score of all) {
    const bin = sums[edges.filter((edge) => score > edge).length];
    bin.sum += probability(score);
    bin.count++;
  }
  return {
    edges,
    probabilities: sums.map(({ sum, count }, bin) => {
      // A bin that no public record is in is stood for by its nearest edges.
      const [low, high] = [edges[bin - 1] ?? edges[bin], edges[bin] ?? edges[bin - 1]];
      return count > 0 ? sum / count : (probability(low) + probability(high)) / 2;
    }),
    firstYes: edges.indexOf(threshold) + 1,
    calibrated: calibration !== undefined,
  };
}

/** Public data in the form that heads read. */
export interface PublicFeatures {
  /** Trained on. */
  readonly train: { readonly features: SiteFeatures };
  /** Held out by patient. */
  readonly validation: { readonly features: SiteFeatures };
}

/**
 * Bins of some tasks, by task.
 * @param spec the local model
 * @param weights its numbers after the last step
 * @param stage public data
 * @param tasks yes-or-no tasks of the model
 * @param most largest number of bins K
 */
export async function publicBins(
  spec: LocalModelSpec,
  weights: LocalWeights,
  stage: PublicFeatures,
  tasks: readonly string[],
  most: number,
): Promise<Record<string, TaskBins>> {
  const bins: Record<string, TaskBins> = {};
  for (const task of tasks) {
    const set = spec.heads.find((head) => head.task === task)!.set;
    const scored = async ({ features }: { readonly features: SiteFeatures }): Promise<PublicScores> => {
      const own = features.sets.get(set);
      if (own === undefined) return { scores: [], labels: [] };
      const { scores, labels } = await taskScores(spec, weights, own, task);
      return { scores: [...scores], labels: [...labels] };
    };
    const validation = await scored(stage.validation);
    const { scores } = await scored(stage.train);
    bins[task] = taskBins([...scores, ...validation.scores], validation, most);
  }
  return bins;
}
