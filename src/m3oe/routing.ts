import type { TaskText } from "./samples.ts";

/** How the gate routes one task. */
export interface TaskRouting {
  /** The task. */
  readonly task: string;
  /** What its inputs are. */
  readonly modalityDescription: string;
  /** Weight of every expert; sums to 1. */
  readonly weights: readonly number[];
  /** Entropy of the weights in nats: ln E when all experts are used alike, 0 when one is. */
  readonly entropy: number;
}

/** How the gate routes all known tasks. */
export interface RoutingReport {
  /** One row per task. */
  readonly tasks: readonly TaskRouting[];
  /** Mean weight of every expert over the tasks. */
  readonly expertLoad: readonly number[];
  /** The largest entropy there could be, ln E. */
  readonly maxEntropy: number;
}

/**
 * Summarises gate weights.
 *
 * @param tasks tasks to report
 * @param weightsOf the gate's weights of a task
 * @returns the report
 */
export async function routingReport(
  tasks: readonly TaskText[],
  weightsOf: (task: TaskText) => Promise<readonly number[]>,
): Promise<RoutingReport> {
  const rows: TaskRouting[] = [];
  for (const task of tasks) {
    const weights = await weightsOf(task);
    const entropy = weights.reduce((sum, weight) => sum - (weight > 0 ? weight * Math.log(weight) : 0), 0);
    rows.push({ task: task.name, modalityDescription: task.modalityDescription, weights, entropy });
  }
  const experts = rows[0]?.weights.length ?? 0;
  const expertLoad = Array.from(
    { length: experts },
    (_, expert) => rows.reduce((sum, { weights }) => sum + weights[expert], 0) / rows.length,
  );
  return { tasks: rows, expertLoad, maxEntropy: experts === 0 ? 0 : Math.log(experts) };
}
