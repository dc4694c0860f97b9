import { decodeSum } from "../../dp/mod.ts";
import type { LocalModelSpec } from "../../local/mod.ts";
import type { EvaluationPlan } from "./evaluation_plan.ts";
import { heldOutPopulation } from "./evaluation_plan.ts";
import { cellAt, cellWeight, groupsOf } from "./layout.ts";

/** Noisy numbers of units by label and bin, of one task and group. */
export interface Histogram {
  /** Units labelled no, by bin; noise may make them negative. */
  readonly no: readonly number[];
  /** Units labelled yes, by bin. */
  readonly yes: readonly number[];
  /** Standard deviation of the noise in every one of these numbers. */
  readonly noise: number;
}

/**
 * Reads the unmasked sum: `[task][group]`, in units of patients (or whatever the privacy unit is). The noise of every
 * number is known, since every surviving site has added a share of the same variance.
 *
 * @param evaluation the plan's evaluation
 * @param spec the local model, which says which set carries a task
 * @param sum the unmasked sum modulo 2^32
 * @param survivors sites whose vectors are in the sum
 */
export function histogramsOf(
  evaluation: EvaluationPlan,
  spec: LocalModelSpec,
  sum: Uint32Array,
  survivors: number,
): Histogram[][] {
  const { dp, tasks, bins } = evaluation;
  const values = decodeSum(dp, sum);
  const groups = groupsOf(evaluation).length;
  const deviation = Math.sqrt(survivors) * dp.noise.shareStddev / dp.encoding.scale;
  return tasks.map((name, task) => {
    const { set } = spec.heads.find((head) => head.task === name)!;
    const { maxGradNorm } = dp.request.populations.find(({ name }) => name === heldOutPopulation(set))!;
    const unit = maxGradNorm / cellWeight(evaluation);
    return Array.from({ length: groups }, (_, group) => {
      const counts = (label: number) => {
        const first = cellAt(groups, bins, { task, group, label, bin: 0 });
        return Array.from(values.subarray(first, first + bins), (value) => value * unit);
      };
      return { no: counts(0), yes: counts(1), noise: deviation * unit };
    });
  });
}
