import type { DpPopulation } from "../../../src/dp/mod.ts";
import { makeEvaluationPlan } from "../../../src/federation/site_evaluation/mod.ts";
import type { EvaluationConfig, EvaluationPlan } from "../../../src/federation/mod.ts";
import type { FederationPlan } from "../../../src/federation/federation_plan.ts";
import type { SitePolicy } from "../../../src/federation/site_policy.ts";
import { populationsHeld, signHoldings } from "../../../src/federation/holdings.ts";
import { makePlan, policy, sites } from "../_plan.ts";

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
  population?: Partial<DpPopulation>,
): FederationPlan & { readonly evaluation: EvaluationPlan } {
  const plan = population === undefined ? training : makePlan(4, population);
  const terms = { spec: plan.model.spec, training: plan.dp.request };
  const roster = plan.roster.map((entry, i) => {
    return { ...entry, holdings: signHoldings(sites[i], populationsHeld(["icu"], true)) };
  });
  return { ...plan, roster, evaluation: makeEvaluationPlan({ ...CONFIG, ...change }, terms) };
}

/** A policy that allows it. */
export const openToEvaluation: SitePolicy = { ...policy, evaluation: { maxEpsilon: 2, minimumCount: 20 } };
