import {
  type AtomicPair,
  type ContinuousPair,
  type Directions,
  type LossPair,
  unknownTails,
} from "./pairs.ts";

/** Loss of the base mechanism at which the sampled mechanism has loss `loss` when the unit is removed. */
function baseLoss(loss: number, q: number): number {
  if (loss > 600) return loss - Math.log(q);
  const top = Math.expm1(loss) + q;
  return top <= 0 ? -Infinity : Math.log(top / q);
}

/** Loss of the sampled mechanism (unit removed) where the base has loss `loss`. */
function sampledLoss(loss: number, q: number): number {
  if (loss > 600) return loss + Math.log(q);
  return Math.log1p(q * Math.expm1(loss));
}

/** Remove direction: P' = (1-q) Q + q P against Q' = Q, so L' = ln(1 - q + q e^L). */
function removeDirection(base: ContinuousPair, q: number): ContinuousPair {
  const t = unknownTails();
  return {
    kind: "continuous",
    range(tail) {
      const [low, high] = base.range(tail);
      return [sampledLoss(low, q), sampledLoss(high, q)];
    },
    tails(loss, out) {
      const at = baseLoss(loss, q);
      if (at === -Infinity) {
        [out.pBelow, out.pAbove, out.qBelow, out.qAbove] = [0, 1, 0, 1];
        return;
      }
      base.tails(at, t);
      out.pBelow = (1 - q) * t.qBelow + q * t.pBelow;
      out.pAbove = (1 - q) * t.qAbove + q * t.pAbove;
      out.qBelow = t.qBelow;
      out.qAbove = t.qAbove;
    },
  };
}

/** Add direction of a symmetric base: P' = P against Q' = (1-q) P + q Q, so L' = -ln(1 - q + q e^{-L}). */
function addDirection(base: ContinuousPair, q: number): ContinuousPair {
  const t = unknownTails();
  return {
    kind: "continuous",
    range(tail) {
      const [low, high] = base.range(tail);
      return [-sampledLoss(-low, q), -sampledLoss(-high, q)];
    },
    tails(loss, out) {
      const at = -baseLoss(-loss, q);
      if (at === Infinity) {
        [out.pBelow, out.pAbove, out.qBelow, out.qAbove] = [1, 0, 1, 0];
        return;
      }
      base.tails(at, t);
      out.pBelow = t.pBelow;
      out.pAbove = t.pAbove;
      out.qBelow = (1 - q) * t.pBelow + q * t.qBelow;
      out.qAbove = (1 - q) * t.pAbove + q * t.qAbove;
    },
  };
}

function atomic(base: AtomicPair, q: number, remove: boolean): AtomicPair {
  const n = base.losses.length;
  // One more outcome: the one that only Q has (remove) or only P has (add); (1-q) of the other side still
  // covers it.
  const losses = new Float64Array(n + 1);
  const masses = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) {
    const loss = base.losses[i];
    const p = base.masses[i];
    losses[i] = remove ? sampledLoss(loss, q) : -sampledLoss(-loss, q);
    masses[i] = remove ? (1 - q) * p * Math.exp(-loss) + q * p : p;
  }
  losses[n] = remove ? Math.log1p(-q) : -Math.log1p(-q);
  masses[n] = remove ? (1 - q) * base.infinityMass : base.infinityMass;
  return { kind: "atomic", losses, masses, infinityMass: remove ? q * base.infinityMass : 0 };
}

/**
 * Poisson sampling of a mechanism whose dominating pair is symmetric (the loss of (P, Q) and of (Q, P) have
 * the same law, outcomes with infinite loss included), add or remove one unit. Source: Zhu, Dong, Wang
 * 2022, Theorem 11.
 */
export function poissonPair(base: LossPair, q: number): Directions {
  if (base.kind === "atomic") return { remove: atomic(base, q, true), add: atomic(base, q, false) };
  return { remove: removeDirection(base, q), add: addDirection(base, q) };
}
