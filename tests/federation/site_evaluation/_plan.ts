import { makeEvaluationPlan } from "../../../src/federation/site_evaluation/mod.ts";
import type { EvaluationConfig, EvaluationPlan } from "../../../src/federation/mod.ts";
import type { FederationPlan } from "../../../src/federation/federation_plan.ts";
import type { SitePolicy } from "../../../src/federation/site_policy.ts";
import { makePlan, policy } from "../_plan.ts";

export const CONFIG: EvaluationConfig = {
  epsilon: 2,
  bins: 4,
  subgroups: [
    { name: "age", field: "age", kind: "bands", edges: [45, 65] },
    { name: "sex", field: "sex", kind: "values", values: ["Female", "Male"] },
  ],
  minimumCount: 20,
  maxUnits: 4096,
};

const training = makePlan();

/** The small plan of four sites with an evaluation after its ten steps. */
export function planWithEvaluation(
  change: Partial<EvaluationConfig> = {},
): FederationPlan & { readonly evaluation: EvaluationPlan } {
  const plan = training;
  const terms = { spec: plan.model.spec, training: plan.dp.request };
  return { ...plan, evaluation: makeEvaluationPlan({ ...CONFIG, ...change }, terms) };
}

/** A policy that allows it. */
export const openToEvaluation: SitePolicy = { ...policy, evaluation: { maxEpsilon: 2, minimumCount: 20 } };
