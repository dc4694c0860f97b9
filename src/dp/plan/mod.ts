/**
 * The plan: one plain object from which clip, sampling, encoding, noise and privacy events all follow.
 *
 * All populations' clipped sums are released in one vector a step, each divided by its own clip bound, so
 * that every unit moves the vector by at most 1. The plan charges the rounding of sums, sizes the noise
 * shares for the honest sites that are surely there, checks the ring, and states the epsilon of every
 * population against a coalition. A site that gets a plan computes everything again and refuses one number
 * that disagrees. Sampling, clipping and noise then read the plan, so the accounting cannot differ from the
 * run.
 *
 * @module
 */
export { createPlan } from "./create.ts";
export { canonicalPlanJson, parsePlan, planHash } from "./parse.ts";
export { coinsEvent } from "./population_events.ts";
export { honestShares } from "./shares.ts";
export { decodeSum, encodeUpdate } from "./update.ts";
export { OffThreadEncoder } from "./off_thread.ts";
export { groupEvent, knownShares, viewEvent, viewGuarantees, viewNoiseMultiplier } from "./views.ts";
export type { PrivacyView, ViewGuarantee } from "./views.ts";
export type {
  AggregationProfile,
  DpCohort,
  DpEncoding,
  DpNoise,
  DpPlan,
  DpPlanRequest,
  DpPopulation,
  PopulationEvents,
  PopulationGuarantee,
  PrivacyUnit,
} from "./types.ts";
