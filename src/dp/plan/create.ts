import { calibrateNoiseMultiplier, epsilonAt } from "../accounting/mod.ts";
import type { DpEvent } from "../events/mod.ts";
import { coinsEvent, coinsOf, stepsPerRound } from "./population_events.ts";
import { need } from "./_refuse.ts";
import { encodingOf, gridOf, honestShares, noiseOf } from "./shares.ts";
import type { DpPlan, DpPlanRequest, PopulationEvents, PopulationGuarantee } from "./types.ts";
import { completeRequest } from "./validate.ts";

/** Width of the bracket at which calibration stops. */
const TOLERANCE = 5e-4;
/** Calibration searches on a coarser grid, whose bounds lie above those of the final one. */
const SEARCH_INTERVAL = 1e-3;

function repeated(event: DpEvent, count: number): DpEvent {
  return count === 1 ? event : { type: "self_composed", event, count };
}

/** The schedule of one population at a noise multiplier, coalition view. */
function scheduleAt(request: Required<DpPlanRequest>, population: string, sigma: number): DpEvent {
  return repeated(coinsEvent(coinsOf(request, population), sigma), request.steps * stepsPerRound(request));
}

/** Smallest noise multiplier that brings every population under the target. */
function calibrate(request: Required<DpPlanRequest>, epsilon: number): number {
  const { delta, neighboring } = request;
  let sigma = 0;
  for (const { name } of request.populations) {
    const eventOf = (s: number) => scheduleAt(request, name, s);
    const target = { epsilon, delta, neighboring, gridInterval: SEARCH_INTERVAL } as const;
    if (sigma > 0 && epsilonAt(eventOf(sigma), delta, target).epsilon <= epsilon) continue;
    sigma = Math.max(sigma, calibrateNoiseMultiplier(eventOf, { ...target, tolerance: TOLERANCE }));
  }
  return sigma;
}

/**
 * Builds the plan of a differentially private federation: one object that fixes clip, sampling, encoding,
 * noise and events. The noise of h = honestShares sites alone meets the target for every population.
 * @throws FedKimError ConfigError with a reason where numbers do not go together
 */
export function createPlan(request: DpPlanRequest): DpPlan {
  const complete = completeRequest(request);
  honestShares(complete.cohort, complete.profile);
  const { target } = complete;
  const sigma = "epsilon" in target ? calibrate(complete, target.epsilon) : target.noiseMultiplier;
  return planAt(complete, sigma);
}

/** The plan at a given noise multiplier; its guarantees are computed, not trusted. */
export function planAt(request: Required<DpPlanRequest>, noiseMultiplier: number): DpPlan {
  const grid = gridOf(request);
  const noise = noiseOf(request, grid, noiseMultiplier);
  const encoding = encodingOf(request, grid, noise);
  const { neighboring, delta, target } = request;
  const events: PopulationEvents[] = request.populations.map(({ name }) => {
    const step = repeated(coinsEvent(coinsOf(request, name), noiseMultiplier), stepsPerRound(request));
    return { population: name, step, schedule: scheduleAt(request, name, noiseMultiplier) };
  });
  const guarantees: PopulationGuarantee[] = request.populations.map(({ name, unit }, i) => {
    const { epsilon } = epsilonAt(events[i].schedule, delta, { neighboring });
    need(
      Number.isFinite(epsilon) && !("epsilon" in target && epsilon > target.epsilon),
      "target_missed",
      `epsilon ${epsilon} for ${name}`,
      "epsilon" in target ? `at most ${target.epsilon}` : "a finite epsilon",
      "raise the noise multiplier",
    );
    return { population: name, unit, epsilon, delta };
  });
  return { format: "fedkim-dp-plan/1", request, encoding, noise, events, guarantees };
}
