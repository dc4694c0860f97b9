import { type PrivacyReport, viewGuarantees } from "../dp/mod.ts";
import type { EvaluationPlan } from "./site_evaluation/mod.ts";

/**
 * Adds the evaluation at the sites to a report: a release of its own, of other patients than those that were trained on.
 * @param report of the plan's training
 * @param evaluation of the same plan; a plan without one leaves the report as it is
 */
export function withEvaluation(report: PrivacyReport, evaluation: EvaluationPlan | undefined): PrivacyReport {
  if (evaluation === undefined) return report;
  const { dp, tasks } = evaluation;
  const promises = dp.guarantees.map(({ population, unit, epsilon, delta }) =>
    `${epsilon.toFixed(3)} for one ${unit} in ${population} (delta ${delta})`
  );
  const paragraph =
    `After the last step the model was to be evaluated on held-out patients, in one further noised ` +
    `sum of ${dp.request.dimension} counts for ${tasks.length} tasks. Epsilon is at most ${
      promises.join(", ")
    }. Held-out patients are in no training step and the others in no evaluation, so the two do not add up.`;
  return {
    ...report,
    summary: [...report.summary, paragraph],
    views: [...report.views, ...viewGuarantees(dp)],
  };
}
