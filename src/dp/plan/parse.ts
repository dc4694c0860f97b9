import { createHash } from "node:crypto";
import { FedKimError } from "../../formats/errors.ts";
import { canonicalJson } from "../events/mod.ts";
import { planAt } from "./create.ts";
import type { DpPlan, DpPlanRequest } from "./types.ts";
import { completeRequest, NOISE_MULTIPLIERS, real } from "./validate.ts";

/** Epsilons of two builds may differ by this share, from the rounding of elementary functions. */
const EPSILON_TOLERANCE = 1e-6;

function inconsistent(found: string): FedKimError {
  return new FedKimError("PolicyRefused", "The differential-privacy plan does not agree with itself.", {
    found,
    needed: "every number to follow from the request and the noise multiplier",
    remedy: "ask the aggregator for a plan made by createPlan; nothing was charged",
    reason: "plan_inconsistent",
  });
}

/** Canonical JSON of a plan: what is hashed and signed. */
export function canonicalPlanJson(plan: DpPlan): string {
  return canonicalJson(plan);
}

/** SHA-256 of {@link canonicalPlanJson}, hexadecimal. */
export function planHash(plan: DpPlan): string {
  return createHash("sha256").update(canonicalPlanJson(plan)).digest("hex");
}

/**
 * Reads a plan that somebody else made. Everything but the noise multiplier is computed again from the
 * request and has to agree; the epsilon of every population is computed here, not read.
 * @throws FedKimError ConfigError for an invalid request, PolicyRefused (`plan_inconsistent`) for one that
 * disagrees
 */
export function parsePlan(value: unknown): DpPlan {
  const plan = value as DpPlan;
  if (typeof plan !== "object" || plan === null || plan.format !== "fedkim-dp-plan/1") {
    throw inconsistent("no plan of format fedkim-dp-plan/1");
  }
  const request = completeRequest(plan.request as DpPlanRequest);
  const sigma = plan.noise?.noiseMultiplier;
  const { target } = request;
  if (!real(sigma, ...NOISE_MULTIPLIERS)) throw inconsistent("no noise multiplier");
  if ("noiseMultiplier" in target && target.noiseMultiplier !== sigma) {
    throw inconsistent(`noise multiplier ${sigma} where ${target.noiseMultiplier} was asked for`);
  }
  const expected = planAt(request, sigma);
  for (const part of ["request", "encoding", "noise", "events"] as const) {
    if (canonicalJson(plan[part]) !== canonicalJson(expected[part])) throw inconsistent(`another ${part}`);
  }
  const given = Array.isArray(plan.guarantees) ? plan.guarantees : [];
  const agrees = given.length === expected.guarantees.length &&
    expected.guarantees.every((mine, i) =>
      given[i]?.population === mine.population && given[i].unit === mine.unit &&
      given[i].delta === mine.delta &&
      Math.abs(given[i].epsilon - mine.epsilon) <= EPSILON_TOLERANCE * mine.epsilon
    );
  if (!agrees || Object.keys(plan).length !== Object.keys(expected).length) {
    throw inconsistent("other guarantees");
  }
  return { ...expected, guarantees: given };
}
