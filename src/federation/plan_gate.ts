import { FedKimError } from "../formats/errors.ts";
import { toHex } from "../formats/hex.ts";
import type { Identity } from "../secure_agg/mod.ts";
import type { FederationPlan } from "./federation_plan.ts";
import type { SitePolicy } from "./site_policy.ts";

/**
 * Checks a plan against a site's own policy, before anything is trained or charged.
 * @param plan an opened plan (signature and privacy numbers already checked)
 * @param policy the site's signed policy
 * @param identity the site's identity, which must be in the roster
 * @param units privacy unit of each set that this site holds, from its own manifests
 * @throws FedKimError `PolicyRefused` with the reason
 */
export function gatePlan(
  plan: FederationPlan,
  policy: SitePolicy,
  identity: Identity,
  units: ReadonlyMap<string, string>,
): void {
  const own = plan.roster.find((entry) => entry.site === identity.id);
  if (own?.publicKey !== toHex(identity.publicKey)) {
    throw refuse(
      "not_in_roster",
      "the roster does not name this site with its key",
      "ask the consortium to enroll it",
    );
  }
  if (new Set(plan.roster.map((entry) => entry.publicKey)).size !== plan.roster.length) {
    throw refuse("duplicate_key", "two sites of the roster share a key", "tell the consortium");
  }
  const aggregation = plan.secureAggregation;
  const cohort = plan.dp.request.cohort;
  if (
    cohort.n !== plan.roster.length || cohort.nMin !== aggregation.nMin ||
    cohort.colluders !== aggregation.colluders
  ) {
    throw refuse(
      "cohort_mismatch",
      "noise and secure aggregation are sized for different cohorts",
      "tell the consortium",
    );
  }
  if (plan.dp.request.dimension < 1 || plan.dp.request.neighboring !== policy.neighboring) {
    throw refuse(
      "neighboring",
      `neighbouring relation ${plan.dp.request.neighboring}`,
      `agree on ${policy.neighboring}`,
    );
  }
  if (aggregation.nMin < policy.minimumSites) {
    throw refuse(
      "cohort_too_small",
      `sums of ${aggregation.nMin} sites would be revealed`,
      `have the plan ask for ${policy.minimumSites} sites, or change the policy`,
    );
  }
  if (aggregation.colluders < policy.colluders) {
    throw refuse(
      "collusion",
      `the noise assumes ${aggregation.colluders} colluding sites`,
      `have the plan assume ${policy.colluders}, or change the policy`,
    );
  }
  const { allowedTasks } = policy;
  const forbidden = allowedTasks === "all" ? [] : plan.tasks.filter((task) => !allowedTasks.includes(task));
  if (forbidden.length > 0) {
    throw refuse(
      "task",
      `tasks ${forbidden.join(", ")}`,
      "allow them in the policy, or have them left out of the plan",
    );
  }
  for (const population of plan.dp.request.populations) {
    const own = units.get(population.name);
    if (own === undefined || own === population.unit) continue;
    throw refuse(
      "unit",
      `the plan protects one ${population.unit} of ${population.name}, this site's data say one ${own}`,
      "have the plan and the dataset manifest state the same privacy unit",
    );
  }
  for (const guarantee of plan.dp.guarantees) {
    if (!units.has(guarantee.population)) continue;
    if (guarantee.delta > policy.delta || !(guarantee.epsilon <= policy.maxEpsilon)) {
      throw refuse(
        "epsilon",
        `epsilon ${guarantee.epsilon.toFixed(3)} at delta ${guarantee.delta} for ${guarantee.population}`,
        `have the plan stay within epsilon ${policy.maxEpsilon} at delta ${policy.delta}, or change the policy`,
      );
    }
  }
}

function refuse(reason: string, found: string, remedy: string): FedKimError {
  return new FedKimError("PolicyRefused", "This site's policy does not allow the plan.", {
    reason,
    found,
    remedy,
  });
}
