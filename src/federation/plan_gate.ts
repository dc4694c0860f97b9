import { federatedParameters } from "../local/mod.ts";
import type { Identity } from "../secure_agg/mod.ts";
import { FedKimError } from "../formats/errors.ts";
import { toHex } from "../formats/hex.ts";
import { type FederationPlan, lastRound } from "./federation_plan.ts";
import { roundConfigOf } from "./round_order.ts";
import { fewestHolders } from "./holdings.ts";
import { gateEvaluation } from "./site_evaluation/mod.ts";
import type { SitePolicy } from "./site_policy.ts";

/** Smallest slack for the float error of norms that a site accepts; the plan's noise covers it. */
const MIN_FLOAT_SLACK = 1e-3;

/**
 * Checks a plan against a site's own policy, before anything is trained or charged.
 * @param plan an opened plan (signature, model description and privacy numbers already checked)
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
  gateRoster(plan, policy, identity);
  gateCohort(plan, policy);
  gateAggregation(plan);
  gateModel(plan, policy);
  gatePrivacy(plan, policy, units);
  gateEvaluation(plan, policy, units, MIN_FLOAT_SLACK);
  gateHolders(plan, policy);
}

/** Who else is summed with: cohort size and colluders mean nothing where the aggregator makes up the others. */
function gateRoster(plan: FederationPlan, policy: SitePolicy, identity: Identity): void {
  const own = plan.roster.find((entry) => entry.site === identity.id);
  if (own?.publicKey !== toHex(identity.publicKey)) {
    throw refuse(
      "not_in_roster",
      "the roster does not name this site with its key",
      "ask the consortium to enroll it",
    );
  }
  for (const field of ["site", "publicKey"] as const) {
    if (new Set(plan.roster.map((entry) => entry[field])).size !== plan.roster.length) {
      throw refuse("duplicate_key", `two sites of the roster share a ${field}`, "tell the consortium");
    }
  }
  const { peers } = policy;
  if (peers === "any") return;
  const strangers = plan.roster.filter(({ site, publicKey }) =>
    site !== identity.id && peers[site] !== publicKey
  );
  if (strangers.length > 0) {
    throw refuse(
      "unknown_peer",
      `sites that the policy does not know with this key: ${strangers.map((entry) => entry.site).join(", ")}`,
      "compare the keys with these hospitals, then add them to the policy with --peers",
    );
  }
}

function gateCohort(plan: FederationPlan, policy: SitePolicy): void {
  const aggregation = plan.secureAggregation;
  const cohort = plan.dp.request.cohort;
  if (
    cohort.n !== plan.roster.length || cohort.nMin !== aggregation.nMin ||
    cohort.colluders !== aggregation.colluders
  ) {
    throw refuse("cohort_mismatch", "noise and sums are sized for different cohorts", "tell the consortium");
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
}

/** Thresholds and graph make a safe protocol: noticed before the schedule is committed, not at the first step. */
function gateAggregation(plan: FederationPlan): void {
  const anyModel = "0".repeat(64);
  for (const round of [1, lastRound(plan)]) {
    try {
      roundConfigOf(plan, round, anyModel);
    } catch (error) {
      if (!(error instanceof FedKimError)) throw error;
      throw refuse("aggregation_unsafe", error.message, "tell the consortium");
    }
  }
}

/** What is trained is what the plan says, for allowed tasks, on sets that are accounted. */
function gateModel(plan: FederationPlan, policy: SitePolicy): void {
  const { spec } = plan.model;
  const populations = new Set(plan.dp.request.populations.map((population) => population.name));
  const trained = spec.heads.map((head) => head.task);
  if ([...trained].sort().join() !== [...plan.tasks].sort().join()) {
    throw refuse(
      "task_mismatch",
      `the model trains ${trained.join(", ")}, the plan says ${plan.tasks.join(", ")}`,
      "tell the consortium",
    );
  }
  const unaccounted = spec.heads.find((head) => !populations.has(head.set));
  if (unaccounted !== undefined) {
    throw refuse(
      "set_not_accounted",
      `the task ${unaccounted.task} reads the set ${unaccounted.set}`,
      "tell the consortium",
    );
  }
  const { dimension } = federatedParameters(spec);
  if (dimension !== plan.dp.request.dimension) {
    throw refuse(
      "dimension_mismatch",
      `${dimension} federated parameters, noise for ${plan.dp.request.dimension}`,
      "tell the consortium",
    );
  }
  const { allowedTasks } = policy;
  const forbidden = allowedTasks === "all" ? [] : trained.filter((task) => !allowedTasks.includes(task));
  if (forbidden.length > 0) {
    throw refuse(
      "task",
      `tasks ${forbidden.join(", ")}`,
      "allow them in the policy, or have them left out of the plan",
    );
  }
}

/** A sum over many sites says what few of them hold: every set, and its held-out patients, count their own cohort. */
function gateHolders(plan: FederationPlan, policy: SitePolicy): void {
  for (const [set, holders] of fewestHolders(plan)) {
    if (holders >= policy.minimumSites) continue;
    throw refuse(
      "sub_cohort_too_small",
      `sums of ${set} with ${holders} sites that hold it could be revealed`,
      `have ${set} left out of the plan, or held by more sites; or change the policy's ${policy.minimumSites} sites`,
    );
  }
}

function gatePrivacy(plan: FederationPlan, policy: SitePolicy, units: ReadonlyMap<string, string>): void {
  const { request, guarantees } = plan.dp;
  if (!noiseFitsMode(plan)) {
    throw refuse(
      "mode_mismatch",
      `noise for ${request.profile.type} aggregation where sites train in ${plan.mode} mode`,
      "tell the consortium",
    );
  }
  if (request.neighboring !== policy.neighboring) {
    throw refuse(
      "neighboring",
      `neighbouring relation ${request.neighboring}`,
      `agree on ${policy.neighboring}`,
    );
  }
  if (request.floatSlack < MIN_FLOAT_SLACK) {
    throw refuse(
      "float_slack",
      `slack ${request.floatSlack} for the float error of norms`,
      `ask for ${MIN_FLOAT_SLACK}`,
    );
  }
  for (const population of request.populations) {
    const own = units.get(population.name);
    if (own === undefined || own === population.unit) continue;
    throw refuse(
      "unit",
      `the plan protects one ${population.unit} of ${population.name}, this site's data say one ${own}`,
      "have the plan and the dataset manifest state the same privacy unit",
    );
  }
  for (const guarantee of guarantees) {
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

/** Shares of noise protect a sum only; a site that trains by itself needs the whole noise in each of its steps. */
function noiseFitsMode(plan: FederationPlan): boolean {
  const { profile } = plan.dp.request;
  if (plan.mode === "distributed") return profile.type === "strict";
  return profile.type === "local" && profile.stepsPerRound === plan.local.steps;
}

function refuse(reason: string, found: string, remedy: string): FedKimError {
  return new FedKimError("PolicyRefused", "This site's policy does not allow the plan.", {
    reason,
    found,
    remedy,
  });
}
