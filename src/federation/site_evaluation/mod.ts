/**
 * Cross-site evaluation: after the last step, sites score their held-out patients with the aggregated model and the
 * figures come back as one noised, masked sum.
 *
 * - {@link makeEvaluationPlan} puts the evaluation into the signed plan: tasks, score bins, subgroups, and a `DpPlan` of
 *   its own with clip, noise and event; {@link gateEvaluation} is what a site's policy says to it.
 * - {@link publicBins} and {@link encodeEvaluationModel} make the artefact that is evaluated: parameters, and bins from
 *   public data.
 * - {@link evaluationContribution} counts a site's held-out units by task, group, label and bin, each unit clipped.
 * - {@link crossSiteResult} reads the sum: AUROC, accuracy, Brier score and calibration with intervals that cover the
 *   noise, and nothing where the counts are too small.
 *
 * Rounds, masks and ledgers are those of training steps.
 *
 * @module
 */
export { EvaluationConfigSchema } from "./evaluation_config.ts";
export type { EvaluationConfig } from "./evaluation_config.ts";
export { gateEvaluation } from "./evaluation_gate.ts";
export { decodeEvaluationModel, encodeEvaluationModel } from "./evaluation_model.ts";
export type { EvaluationModel, TaskBins } from "./evaluation_model.ts";
export {
  evaluationHash,
  heldOutPopulation,
  makeEvaluationPlan,
  parseEvaluationPlan,
} from "./evaluation_plan.ts";
export type { EvaluationPlan, EvaluationPlanTerms } from "./evaluation_plan.ts";
export type { Group, LayoutTerms } from "./layout.ts";
export type { SubgroupDimension } from "./subgroups.ts";
export { publicBins } from "./public_bins.ts";
export type { PublicFeatures } from "./public_bins.ts";
export { crossSiteResult } from "./result.ts";
export type { CrossSiteEvaluation, GroupResult, TaskAcrossSites } from "./result.ts";
export type { Estimate, Estimates } from "./intervals.ts";
export type { HistogramFigures } from "./histogram_metrics.ts";
export type { SuppressionReason } from "./suppression.ts";
export { evaluationContribution } from "./site_side.ts";
export type { EvaluatingSite } from "./site_side.ts";
export { crossSiteMarkdown, crossSiteTable } from "./markdown.ts";
export type { CrossSiteTable } from "./markdown.ts";
