import type { AggregationProfile, DpPlanRequest, DpPopulation } from "./types.ts";
import { POPULATION_NAME } from "../../formats/set_name.ts";
import { need } from "./_refuse.ts";

const UNITS: readonly string[] = ["patient", "record", "image", "site"];

function integer(value: unknown, low: number, high: number): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= low && value <= high;
}

/** Smallest and largest noise multiplier of a plan. */
export const NOISE_MULTIPLIERS = [0.05, 1e5] as const;

/** Whether this is a number from `low` to `high`. */
export function real(value: unknown, low: number, high: number): value is number {
  return typeof value === "number" && value >= low && value <= high;
}

function needInteger(name: string, value: unknown, low: number, high: number): void {
  need(
    integer(value, low, high),
    "invalid_field",
    `${name} = ${String(value)}`,
    `an integer from ${low} to ${high}`,
    "correct the plan",
  );
}

function needReal(name: string, value: unknown, low: number, high: number): void {
  need(
    real(value, low, high),
    "invalid_field",
    `${name} = ${String(value)}`,
    `a number from ${low} to ${high}`,
    "correct the plan",
  );
}

function checkPopulation(p: DpPopulation): void {
  const named = typeof p?.name === "string" && POPULATION_NAME.test(p.name);
  need(
    named,
    "invalid_field",
    "a population without a usable name",
    "1 to 64 letters, digits, _ . -",
    "name it",
  );
  const unit = String(p.unit);
  need(
    UNITS.includes(unit),
    "invalid_field",
    `unit ${unit} in ${p.name}`,
    UNITS.join(", "),
    "state the privacy unit",
  );
  needReal(`${p.name}.samplingRate`, p.samplingRate, 1e-9, 1);
  needReal(`${p.name}.maxGradNorm`, p.maxGradNorm, 1e-9, 1e9);
  needInteger(`${p.name}.maxSitesPerUnit`, p.maxSitesPerUnit ?? 1, 1, 64);
  need(
    p.unit !== "site" || p.samplingRate === 1,
    "visible_sampling",
    `samplingRate ${p.samplingRate} for unit site in ${p.name}`,
    "samplingRate 1, since everybody sees which sites take part",
    "set samplingRate to 1 or choose another unit",
  );
}

/**
 * Checks a request and fills in its defaults.
 * @throws FedKimError ConfigError with a reason
 */
export function completeRequest(request: DpPlanRequest): Required<DpPlanRequest> {
  const list = Array.isArray(request?.populations) ? request.populations : [];
  need(
    list.length >= 1 && list.length <= 64,
    "invalid_field",
    `${list.length} populations`,
    "1 to 64",
    "add one",
  );
  list.forEach(checkPopulation);
  const names = new Set(list.map((p) => p.name));
  need(
    names.size === list.length,
    "invalid_field",
    "two populations of one name",
    "unique names",
    "rename one",
  );
  const { neighboring, setsAreDisjoint, cohort, target } = request;
  need(
    neighboring === "add_or_remove_one" || neighboring === "replace_one",
    "invalid_field",
    `neighboring ${String(neighboring)}`,
    "add_or_remove_one or replace_one",
    "state the neighbouring relation; it has no default",
  );
  need(
    typeof setsAreDisjoint === "boolean",
    "invalid_field",
    "no setsAreDisjoint",
    "true or false",
    "state it",
  );
  need(
    !(setsAreDisjoint && list.length > 1 && neighboring === "replace_one"),
    "parallel_composition",
    "disjoint sets under replace_one",
    "add_or_remove_one: replacing a unit may move it from one set to another",
    "use add_or_remove_one, or set setsAreDisjoint to false",
  );
  needInteger("steps", request.steps, 1, 100_000_000);
  needInteger("dimension", request.dimension, 1, 100_000_000);
  needInteger("cohort.n", cohort?.n, 2, 100_000);
  needInteger("cohort.nMin", cohort.nMin, 2, cohort.n);
  needInteger("cohort.colluders", cohort.colluders, 1, cohort.n);
  needInteger("maxUnitsPerStep", request.maxUnitsPerStep, 1, 2 ** 31);
  needReal("delta", request.delta, 1e-13, 0.1);
  needReal("floatSlack", request.floatSlack ?? 1e-3, 0, 0.1);
  const profile = request.profile ?? { type: "strict" };
  need(
    typeof target === "object" && target !== null,
    "invalid_field",
    "no target",
    "an epsilon or a noise multiplier",
    "state one of them",
  );
  if ("epsilon" in target) needReal("target.epsilon", target.epsilon, 1e-3, 1e4);
  else needReal("target.noiseMultiplier", target.noiseMultiplier, ...NOISE_MULTIPLIERS);
  return {
    populations: list.map((p) => ({
      name: p.name,
      unit: p.unit,
      samplingRate: p.samplingRate,
      maxGradNorm: p.maxGradNorm,
      maxSitesPerUnit: p.maxSitesPerUnit ?? 1,
    })),
    setsAreDisjoint,
    neighboring,
    steps: request.steps,
    dimension: request.dimension,
    cohort: { n: cohort.n, nMin: cohort.nMin, colluders: cohort.colluders },
    profile: completeProfile(profile, cohort.n),
    maxUnitsPerStep: request.maxUnitsPerStep,
    delta: request.delta,
    target: "epsilon" in target ? { epsilon: target.epsilon } : { noiseMultiplier: target.noiseMultiplier },
    floatSlack: request.floatSlack ?? 1e-3,
  };
}

function completeProfile(profile: AggregationProfile, n: number): AggregationProfile {
  switch (profile.type) {
    case "default":
      needInteger("profile.threshold", profile.threshold, 1, n);
      return { type: "default", threshold: profile.threshold };
    case "local":
      needInteger("profile.stepsPerRound", profile.stepsPerRound, 1, 100_000);
      return { type: "local", stepsPerRound: profile.stepsPerRound };
    default:
      need(
        profile.type === "strict",
        "invalid_field",
        `profile ${String((profile as { type?: unknown }).type)}`,
        "strict, default or local",
        "correct the plan",
      );
      return { type: "strict" };
  }
}
