import { SeededRandom } from "../../tensor/seeded_random.ts";
import type { TaskBins } from "./evaluation_model.ts";
import type { Histogram } from "./histogram.ts";
import { FIGURES, figuresOf, type HistogramFigures } from "./histogram_metrics.ts";

/** Simulated evaluations behind an interval. */
const DRAWS = 1000;
/** Simulations in which a figure has to be defined. */
const DEFINED = 0.9;
/** Poisson counts above this are drawn as rounded normals. */
const LARGE = 50;

/** A figure with a 95 % interval; without bounds where it cannot be drawn. */
export interface Estimate {
  /** The figure from the noisy counts. */
  readonly value: number;
  /** Lower end. */
  readonly low?: number;
  /** Upper end. */
  readonly high?: number;
}

/** All figures of a histogram, null where one is not defined. */
export type Estimates = { readonly [Name in keyof HistogramFigures]: Estimate | null };

/**
 * Figures with intervals that cover both the choice of patients and the noise: a parametric bootstrap. The counts are
 * first made plausible (not negative, same totals); then patients are drawn anew from them (Poisson) and noise of the
 * known size is added anew, and the spread of the figures around those of the plausible counts is turned around the
 * estimate (basic bootstrap, Davison and Hinkley 1997, section 2.4). Everything is post-processing of one noised sum.
 *
 * @param histogram noisy counts
 * @param bins what the bins stand for
 * @param seed seeds the simulation, so that the same sum gives the same intervals
 */
export function estimatesOf(histogram: Histogram, bins: TaskBins, seed: number): Estimates {
  const found = figuresOf(histogram, bins);
  const used = bins.probabilities.length;
  const plausible = {
    no: projected(histogram.no.slice(0, used)),
    yes: projected(histogram.yes.slice(0, used)),
  };
  const centre = figuresOf(plausible, bins);
  const random = new SeededRandom(seed);
  const redrawn = (count: number): number => poisson(random, count) + histogram.noise * random.normal();
  const draws = Array.from({ length: DRAWS }, () => {
    return figuresOf({ no: plausible.no.map(redrawn), yes: plausible.yes.map(redrawn) }, bins);
  });
  const entries = FIGURES.map((name) => {
    const value = found[name];
    if (value === undefined) return [name, null] as const;
    const middle = centre[name];
    const off = draws.flatMap((draw) => {
      const drawn = draw[name];
      return drawn === undefined || middle === undefined ? [] : [drawn - middle];
    }).sort((a, b) => a - b);
    if (off.length < DEFINED * DRAWS) return [name, { value }] as const;
    const [low, high] = rangeOf(name);
    const at = (share: number) => off[Math.min(off.length - 1, Math.floor(share * off.length))];
    const inside = (bound: number) => Math.min(high, Math.max(low, bound));
    return [name, { value, low: inside(value - at(0.975)), high: inside(value - at(0.025)) }] as const;
  });
  return Object.fromEntries(entries) as Estimates;
}

function rangeOf(name: keyof HistogramFigures): readonly [number, number] {
  if (name === "n" || name === "positives") return [0, Infinity];
  return name === "calibrationInTheLarge" ? [-1, 1] : [0, 1];
}

/** The nearest counts (in L2) that are not negative and have the same total, or none where that is not positive. */
export function projected(counts: readonly number[]): number[] {
  const total = Math.max(0, counts.reduce((sum, count) => sum + count, 0));
  const sorted = [...counts].sort((a, b) => b - a);
  let [sum, shift] = [0, Infinity];
  sorted.forEach((count, i) => {
    sum += count;
    const candidate = (sum - total) / (i + 1);
    if (count - candidate > 0) shift = candidate;
  });
  return counts.map((count) => Math.max(0, count - shift));
}

/** A Poisson count; Knuth's product of uniforms for small means. */
function poisson(random: SeededRandom, mean: number): number {
  if (mean > LARGE) return Math.max(0, Math.round(mean + Math.sqrt(mean) * random.normal()));
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random.next(); product > limit; product *= random.next()) count++;
  return count;
}
