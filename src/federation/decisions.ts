import type { InjectedModel } from "../m3oe/mod.ts";
import type { TaskSamples } from "./injection_samples.ts";
import { type Calibration, plattScaling } from "./platt_scaling.ts";
import { bestThreshold, prevalenceThreshold } from "./thresholds.ts";

/** How the scores of a yes-or-no task are read. */
export interface TaskDecision {
  /** Yes-minus-no logit above which the answer is yes. */
  readonly threshold: number;
  /** Turns a score into a probability; absent where no public label could calibrate it. */
  readonly calibration?: Calibration;
}

/**
 * Decisions from public data only. A trained task takes the threshold of the best F1 on the public validation split and
 * is calibrated there. An unseen task has no label to use: its threshold makes the share of yes on public records equal
 * the mean share of yes of the trained tasks, and its scores stay uncalibrated.
 * @param model the injected model
 * @param trained validation samples by trained task, labels used
 * @param unseen public samples by unseen yes-or-no task, labels not used
 */
export async function publicDecisions(
  model: InjectedModel,
  trained: ReadonlyMap<string, TaskSamples>,
  unseen: ReadonlyMap<string, TaskSamples>,
): Promise<Record<string, TaskDecision>> {
  const decisions: Record<string, TaskDecision> = {};
  const shares: number[] = [];
  for (const [task, { samples }] of trained) {
    if (samples.length === 0 || typeof samples[0].label === "string") continue;
    const labels = samples.map((sample) => Number(sample.label));
    const scores = await model.score(samples);
    const calibration = plattScaling(scores, labels);
    decisions[task] = {
      threshold: bestThreshold(scores, labels),
      ...(calibration === undefined ? {} : { calibration }),
    };
    shares.push(labels.reduce((sum, label) => sum + label, 0) / labels.length);
  }
  const share = shares.reduce((sum, value) => sum + value, 0) / Math.max(1, shares.length);
  for (const [task, { samples }] of unseen) {
    if (samples.length === 0) continue;
    decisions[task] = { threshold: prevalenceThreshold(await model.score(samples), share) };
  }
  return decisions;
}
