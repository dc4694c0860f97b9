import { federatedHeadSets } from "./head_sets.ts";
import type { DpPopulation } from "../../dp/mod.ts";
import { canonicalJson } from "../../formats/canonical_json.ts";
import { FedKimError } from "../../formats/errors.ts";
import type { FederationPlan } from "../federation_plan.ts";
import type { SitePolicy } from "../site_policy.ts";
import { type EvaluationPlan, heldOutPopulation } from "./evaluation_plan.ts";
import { dimensionOf } from "./layout.ts";

/**
 * Checks the evaluation of a plan against a site's own policy. Roster, tasks and peers are checked with the plan.
 * @param plan an opened plan
 * @param policy the site's signed policy
 * @param units privacy unit of each set that this site holds
 * @param minFloatSlack smallest slack for the float error of norms
 * @throws FedKimError `PolicyRefused` with the reason
 */
export function gateEvaluation(
  plan: FederationPlan,
  policy: SitePolicy,
  units: ReadonlyMap<string, string>,
  minFloatSlack: number,
): void {
  const { evaluation } = plan;
  if (evaluation === undefined) return;
  const { evaluation: allowed } = policy;
  if (allowed === undefined) {
    throw refuse(
      "evaluation",
      "the plan has the model evaluated on held-out patients",
      "allow it: fedkim policy --evaluation-epsilon; or have the evaluation left out of the plan",
    );
  }
  gateShape(plan, evaluation, minFloatSlack);
  if (evaluation.minimumCount < allowed.minimumCount) {
    throw refuse(
      "evaluation_minimum_count",
      `groups from a noisy count of ${evaluation.minimumCount} would be reported`,
      `have the plan ask for ${allowed.minimumCount}, or change the policy`,
    );
  }
  for (const { name, unit } of evaluation.dp.request.populations) {
    const set = [...units.keys()].find((own) => heldOutPopulation(own) === name);
    if (set === undefined || units.get(set) === unit) continue;
    throw refuse(
      "evaluation_unit",
      `the evaluation protects one ${unit} of ${set}, this site's data say one ${units.get(set)}`,
      "have the plan and the dataset manifest state the same privacy unit",
    );
  }
  for (const { population, epsilon, delta } of evaluation.dp.guarantees) {
    if (delta <= policy.delta && epsilon <= allowed.maxEpsilon) continue;
    throw refuse(
      "evaluation_epsilon",
      `epsilon ${epsilon.toFixed(3)} at delta ${delta} for ${population}`,
      `have the plan stay within epsilon ${allowed.maxEpsilon} at delta ${policy.delta}, or change the policy`,
    );
  }
}

/** The release is what its vector is: one step over all held-out units of the evaluated sets, with the plan's cohort. */
function gateShape(plan: FederationPlan, evaluation: EvaluationPlan, minFloatSlack: number): void {
  const { request } = evaluation.dp;
  const training = plan.dp.request;
  const sets = federatedHeadSets(plan.model.spec, evaluation.tasks);
  const wanted = training.populations.filter(({ name }) => sets?.includes(name))
    .map((population) => ({ ...population, name: heldOutPopulation(population.name) }));
  const { n, nMin, colluders } = training.cohort;
  const holds = {
    tasks: sets !== undefined && new Set(evaluation.tasks).size === evaluation.tasks.length,
    populations: protectedAs(wanted) === protectedAs(request.populations),
    dimension: request.dimension === dimensionOf(evaluation),
    steps: request.steps === 1 && request.populations.every(({ samplingRate }) => samplingRate === 1),
    profile: request.profile.type === "strict",
    cohort: request.cohort.n === n && request.cohort.nMin === nMin && request.cohort.colluders === colluders,
    neighboring: request.neighboring === training.neighboring,
    disjoint: request.setsAreDisjoint === training.setsAreDisjoint,
    slack: request.floatSlack >= minFloatSlack,
  };
  const wrong = Object.entries(holds).find(([, right]) => !right);
  if (wrong === undefined) return;
  throw refuse(
    "evaluation_mismatch",
    `an evaluation whose ${wrong[0]} does not follow from the plan`,
    "tell the consortium",
  );
}

/** Whom populations protect, as text: who is at several sites is charged by the same rule in training and evaluation. */
function protectedAs(populations: readonly DpPopulation[]): string {
  const promises = populations.map(({ name, unit, maxSitesPerUnit = 1 }) => [name, unit, maxSitesPerUnit]);
  return canonicalJson(promises.map((promise) => canonicalJson(promise)).sort());
}

function refuse(reason: string, found: string, remedy: string): FedKimError {
  return new FedKimError("PolicyRefused", "This site's policy does not allow the plan.", {
    reason,
    found,
    remedy,
  });
}
