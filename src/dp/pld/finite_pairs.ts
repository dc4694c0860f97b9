import { type AtomicPair, type ContinuousPair, type Directions, unknownTails } from "./pairs.ts";

function atoms(entries: readonly (readonly [number, number])[], infinityMass = 0): AtomicPair {
  const held = entries.filter(([, mass]) => mass > 0);
  // All mass at infinity: the grid still needs a finite loss to lie around.
  const kept = held.length > 0 ? held : [[0, 0] as const];
  return {
    kind: "atomic",
    losses: Float64Array.from(kept, ([loss]) => loss),
    masses: Float64Array.from(kept, ([, mass]) => mass),
    infinityMass,
  };
}

/** The worst (epsilon, delta)-DP mechanism. Source: Kairouz, Oh, Viswanath 2015, Theorem 3.3. */
export function epsilonDeltaPair(epsilon: number, delta: number): AtomicPair {
  const up = (1 - delta) / (1 + Math.exp(-epsilon));
  return atoms([[epsilon, up], [-epsilon, 1 - delta - up]], delta);
}

/** Randomised response over k buckets, one value replaced by another. */
export function randomizedResponsePair(noise: number, k: number): AtomicPair {
  const truth = 1 - noise + noise / k;
  const lie = noise / k;
  const loss = Math.log(truth / lie);
  return atoms([[loss, truth], [-loss, lie], [0, (k - 2) * lie]]);
}

/** Randomised response over k buckets, one value replaced by an empty one whose answer is uniform. */
export function randomizedResponseSpecialPairs(noise: number, k: number): Directions {
  const truth = Math.log(k * (1 - noise) + noise);
  const lie = Math.log(noise);
  return {
    remove: atoms([[truth, 1 - noise + noise / k], [lie, (noise / k) * (k - 1)]]),
    add: atoms([[-truth, 1 / k], [-lie, (k - 1) / k]]),
  };
}

/** A pair drawn by a public coin: `first` with probability `chance`, otherwise `second`; losses mix. */
export function publicMixturePair(
  first: ContinuousPair,
  second: ContinuousPair,
  chance: number,
): ContinuousPair {
  const t = unknownTails();
  return {
    kind: "continuous",
    range(tail) {
      const [low, high] = first.range(tail);
      const [lowest, highest] = second.range(tail);
      return [Math.min(low, lowest), Math.max(high, highest)];
    },
    tails(loss, out) {
      first.tails(loss, t);
      const [a, b, c, d] = [t.pBelow, t.pAbove, t.qBelow, t.qAbove];
      second.tails(loss, t);
      out.pBelow = chance * a + (1 - chance) * t.pBelow;
      out.pAbove = chance * b + (1 - chance) * t.pAbove;
      out.qBelow = chance * c + (1 - chance) * t.qBelow;
      out.qAbove = chance * d + (1 - chance) * t.qAbove;
    },
  };
}
