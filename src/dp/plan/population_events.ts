import type { DpEvent } from "../events/mod.ts";
import type { DpPlanRequest } from "./types.ts";

/** Chances smaller than this are not told apart. */
const RAREST = 1e-25;

/** Chances of 0, 1, ..., k successes of independent coins. Source: Poisson binomial by convolution. */
function poissonBinomial(chances: readonly number[]): number[] {
  let probs = [1];
  for (const chance of chances) {
    const next = new Array<number>(probs.length + 1).fill(0);
    probs.forEach((p, i) => {
      next[i] += p * (1 - chance);
      next[i + 1] += p * chance;
    });
    probs = next;
  }
  return probs;
}

/**
 * Gaussian release in which one unit takes part through several independent coins, each adding norm at most
 * 1: at worst all in one direction, hence a mixture of Gaussians over how many coins came up. Source:
 * Choquette-Choo et al. 2024, Lemma 4.5; dominance of the aligned case as for the sampled Gaussian.
 */
export function coinsEvent(chances: readonly number[], sigma: number): DpEvent {
  const all = chances.every((chance) => chance === 1);
  if (all) return { type: "gaussian", sigma: sigma / chances.length };
  if (chances.length === 1) {
    return { type: "poisson", q: chances[0], event: { type: "gaussian", sigma } };
  }
  const probs = poissonBinomial(chances);
  // Counts whose remaining chance is below 1e-25 join the last one kept: far less than the tail that the
  // PLD adds.
  let kept = probs.length;
  for (let rest = 0; kept > 1 && rest + probs[kept - 1] < RAREST; kept--) rest += probs[kept - 1];
  const weights = probs.slice(0, kept);
  weights[kept - 1] += Math.max(0, 1 - weights.reduce((a, b) => a + b, 0));
  return {
    type: "mixture_of_gaussians",
    sigma,
    sensitivities: weights.map((_, count) => count),
    probs: weights,
  };
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
