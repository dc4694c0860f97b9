import type { DpPlan } from "../src/dp/mod.ts";
import { normalCdf } from "../src/dp/numerics/mod.ts";

/** How wide the noise of an audited run was. */
export interface NoiseWidth {
  /** Values that it was measured on. */
  readonly samples: number;
  /** Its standard deviation, over the one that the plan promises of its honest shares. */
  readonly ratio: number;
  /** Chance of a ratio as low, or lower, where the noise is as wide as promised. */
  readonly pValue: number;
}

/**
 * Measures the noise of sums in which everything else is the same: same model, same records, everybody in every step. In
 * the difference of two such sums the data are gone, and what is left has twice the variance of one sum's noise; rounding
 * only adds to it. Sensitive to a single missing share, which guesses about canaries are not, but it needs a run made for
 * it: no attacker has two sums of the same model.
 *
 * @param plan the audited plan
 * @param sums unmasked sums modulo 2^32, one for each step, without what colluders know
 * @returns undefined for fewer than two sums
 */
export function noiseWidth(
  { noise }: Pick<DpPlan, "noise">,
  sums: readonly Uint32Array[],
): NoiseWidth | undefined {
  const variance = 2 * noise.honestShares * noise.shareStddev ** 2;
  let samples = 0, squares = 0;
  for (let step = 0; step + 1 < sums.length; step += 2) {
    sums[step].forEach((word, i) => {
      squares += ((word - sums[step + 1][i]) | 0) ** 2 / variance;
      samples++;
    });
  }
  if (samples === 0) return undefined;
  // The cube root of a chi-square over its degrees of freedom is all but normal (Wilson and Hilferty 1931).
  const spread = 2 / (9 * samples);
  const z = (Math.cbrt(squares / samples) - (1 - spread)) / Math.sqrt(spread);
  return { samples, ratio: Math.sqrt(squares / samples), pValue: normalCdf(z) };
}
