import { FedKimError } from "../../formats/errors.ts";
import { epsilonAt, whereSupported } from "../accounting/mod.ts";
import type { DpEvent } from "../events/mod.ts";
import { coinsEvent, coinsOf, stepsPerRound } from "./population_events.ts";
import type { DpPlan, PrivacyUnit } from "./types.ts";

/**
 * Who looks: everyone who sees the model, the server, one other site, or c colluding sites with the server. In `local`
 * mode all of them have the same epsilon.
 */
export type PrivacyView = "public" | "server" | "participant" | "coalition";

/** Epsilon of one population as one view has it. */
export interface ViewGuarantee {
  /** Name of the population. */
  readonly population: string;
  /** Whose presence is hidden. */
  readonly unit: PrivacyUnit;
  /** Who looks. */
  readonly view: PrivacyView;
  /** Surviving sites in every step. */
  readonly survivors: number;
  /** Noise multiplier that this view cannot remove. */
  readonly noiseMultiplier: number;
  /** Upper bound by PLD. */
  readonly epsilon: number;
  /** Upper bound by RDP; absent where the Renyi accountant has no bound. */
  readonly epsilonRdp?: number;
  /** At this delta. */
  readonly delta: number;
}

/** Noise shares that a view knows and can subtract. */
export function knownShares(plan: DpPlan, view: PrivacyView): number {
  if (view === "participant") return 1;
  return view === "coalition" ? plan.request.cohort.colluders : 0;
}

/** Noise multiplier left in the sum of `survivors` shares when a view has removed the shares it knows. */
export function viewNoiseMultiplier(plan: DpPlan, view: PrivacyView, survivors: number): number {
  const { n, nMin } = plan.request.cohort;
  if (!Number.isSafeInteger(survivors) || survivors < nMin || survivors > n) {
    throw new FedKimError("ConfigError", "This number of survivors is not possible under the plan.", {
      found: `${survivors} survivors`,
      needed: `an integer from ${nMin} to ${n}`,
    });
  }
  // In local mode whoever looks sees at most what one site released, and that site's noise is in it.
  if (plan.request.profile.type === "local") return plan.noise.noiseMultiplier;
  // In the default profile a split view may open a smaller sum, however many sites survive.
  const present = plan.request.profile.type === "strict"
    ? survivors
    : plan.noise.honestShares + plan.request.cohort.colluders;
  const shares = Math.max(0, present - knownShares(plan, view));
  return plan.noise.noiseMultiplier * Math.sqrt(shares / plan.noise.honestShares);
}

/** Schedule of one population as a view has it with `survivors` sites in every step. */
export function viewEvent(
  plan: DpPlan,
  population: string,
  view: PrivacyView,
  survivors: number,
  steps: number = plan.request.steps,
): DpEvent {
  const sigma = viewNoiseMultiplier(plan, view, survivors);
  if (sigma === 0) return { type: "non_private" };
  const event = coinsEvent(coinsOf(plan.request, population), sigma);
  return { type: "self_composed", event, count: steps * stepsPerRound(plan.request) };
}

/**
 * What a person with `groupSize` units of one population really has, coalition view: each unit has its own
 * coin, and all may push the same way. Far tighter than the generic group bound.
 */
export function groupEvent(
  plan: DpPlan,
  population: string,
  groupSize: number,
  steps: number = plan.request.steps,
): DpEvent {
  if (!Number.isSafeInteger(groupSize) || groupSize < 1 || groupSize > 100_000) {
    throw new FedKimError("ConfigError", "The group size is not valid.", {
      found: `groupSize = ${groupSize}`,
      needed: "an integer from 1 to 100000",
    });
  }
  const coins = coinsOf(plan.request, population);
  const event = coinsEvent(Array.from({ length: groupSize }, () => coins).flat(), plan.noise.noiseMultiplier);
  return { type: "self_composed", event, count: steps * stepsPerRound(plan.request) };
}

/** By PLD, and by the Renyi accountant where it has a bound. */
function epsilonsOf(
  event: DpEvent,
  delta: number,
  neighboring: DpPlan["request"]["neighboring"],
): Pick<ViewGuarantee, "epsilon" | "epsilonRdp"> {
  const { epsilon } = epsilonAt(event, delta, { neighboring });
  const epsilonRdp = whereSupported(() =>
    epsilonAt(event, delta, { neighboring, accountant: "rdp" }).epsilon
  );
  return epsilonRdp === undefined ? { epsilon } : { epsilon, epsilonRdp };
}

/** Epsilon of every population in every view, at the fewest and at all survivors, for `steps` steps. */
export function viewGuarantees(plan: DpPlan, steps: number = plan.request.steps): ViewGuarantee[] {
  const { neighboring, delta, cohort } = plan.request;
  const known = new Map<string, Pick<ViewGuarantee, "epsilon" | "epsilonRdp">>();
  const rows: ViewGuarantee[] = [];
  for (const { name, unit } of plan.request.populations) {
    for (const view of ["public", "server", "participant", "coalition"] as const) {
      for (const survivors of new Set([cohort.nMin, cohort.n])) {
        const event = viewEvent(plan, name, view, survivors, steps);
        const key = JSON.stringify(event);
        const found = known.get(key) ?? epsilonsOf(event, delta, neighboring);
        known.set(key, found);
        const noiseMultiplier = viewNoiseMultiplier(plan, view, survivors);
        rows.push({ population: name, unit, view, survivors, noiseMultiplier, delta, ...found });
      }
    }
  }
  return rows;
}
