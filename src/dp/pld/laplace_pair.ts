import type { ContinuousPair } from "./pairs.ts";

/**
 * P = Lap(0, 1), Q = Lap(r, 1): L = |x - r| - |x| runs from -r to r with an atom at each end.
 * @param r sensitivity divided by the scale
 */
export function laplacePair(r: number): ContinuousPair {
  return {
    kind: "continuous",
    range: () => [-r, r],
    tails(loss, out) {
      if (loss >= r || loss < -r) {
        const below = loss >= r ? 1 : 0;
        [out.pBelow, out.pAbove, out.qBelow, out.qAbove] = [below, 1 - below, below, 1 - below];
        return;
      }
      // L <= loss exactly where x >= (r - loss) / 2, a point of [0, r].
      const x = (r - loss) / 2;
      out.pBelow = 0.5 * Math.exp(-x);
      out.pAbove = 1 - out.pBelow;
      out.qAbove = 0.5 * Math.exp(x - r);
      out.qBelow = 1 - out.qAbove;
    },
  };
}
