import type { DpEvent } from "../events/mod.ts";
import { coinCounts } from "./_coin_counts.ts";
import type { DpPlanRequest } from "./types.ts";

/**
 * Gaussian release in which one unit takes part through several independent coins, each adding norm at most
 * 1: at worst all in one direction, hence a mixture of Gaussians over how many coins came up, or over a number above
 * that. Source: Choquette-Choo et al. 2024, Lemma 4.5; dominance of the aligned case as for the sampled Gaussian.
 */
export function coinsEvent(chances: readonly number[], sigma: number): DpEvent {
  const all = chances.every((chance) => chance === 1);
  if (all) return { type: "gaussian", sigma: sigma / chances.length };
  if (chances.length === 1) {
    return { type: "poisson", q: chances[0], event: { type: "gaussian", sigma } };
  }
  const { counts, probs } = coinCounts(chances);
  return { type: "mixture_of_gaussians", sigma, sensitivities: counts, probs };
}

/** Sampling chances through which one unit of `population` may enter a step. */
export function coinsOf(request: Required<DpPlanRequest>, population: string): number[] {
  const sets = request.setsAreDisjoint
    ? request.populations.filter((p) => p.name === population)
    : request.populations;
  return sets.flatMap((p) => new Array<number>(p.maxSitesPerUnit ?? 1).fill(p.samplingRate));
}

/** Noised steps of a site in one aggregation step. */
export function stepsPerRound({ profile }: Required<DpPlanRequest>): number {
  return profile.type === "local" ? profile.stepsPerRound : 1;
}
