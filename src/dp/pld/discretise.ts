import { FedKimError } from "../../formats/errors.ts";
import { LossDistribution } from "./loss_distribution.ts";
import { type AtomicPair, type ContinuousPair, type LossPair, unknownTails } from "./pairs.ts";

/** A distribution with more grid points than this is refused; the caller coarsens the grid. */
export const MAX_POINTS = 1 << 22;

/** Rounding of a difference of tails: each tail is within a few ulp. */
const ULPS = 8 * 2 ** -53;

/** True where a pair fits on a grid of this step. */
export function fitsGrid(pair: LossPair, interval: number, tail: number): boolean {
  const [low, high] = lossRange(pair, tail);
  return (high - low) / interval < MAX_POINTS - 4;
}

/** Smallest and largest loss that matter. */
export function lossRange(pair: LossPair, tail: number): readonly [number, number] {
  if (pair.kind === "continuous") return pair.range(tail);
  let low = Infinity;
  let high = -Infinity;
  for (const loss of pair.losses) {
    low = Math.min(low, loss);
    high = Math.max(high, loss);
  }
  return [low, high];
}

/**
 * Connect-the-dots discretisation from interval probabilities: mass a = P(I) of the losses in (lo, hi] is
 * split between the two grid points so that P(I) and Q(I) are both kept. The curve delta(epsilon) of the
 * result equals the true one at grid points and lies above it between them; mass is conserved exactly by
 * construction. Source: Doroshenko et al. 2022, Connect the Dots, computed here without second differences,
 * whose cancellation makes mass drift. The split is shifted up by the rounding error of the tail
 * differences.
 */
export function discretise(pair: LossPair, interval: number, tail: number): LossDistribution {
  const [low, high] = lossRange(pair, tail);
  const first = Math.floor(low / interval);
  const last = Math.max(first + 1, Math.ceil(high / interval));
  if (!(last - first < MAX_POINTS)) {
    throw new FedKimError("UnsupportedDpEvent", "The privacy loss of this event is too wide for the grid.", {
      found: `${last - first} grid points`,
      needed: `fewer than ${MAX_POINTS}`,
      remedy: "use more noise or the rdp accountant",
    });
  }
  return pair.kind === "continuous"
    ? fromTails(pair, interval, first, last)
    : fromAtoms(pair, interval, first, last);
}

function fromTails(pair: ContinuousPair, interval: number, first: number, last: number): LossDistribution {
  const masses = new Float64Array(last - first + 1);
  const step = -Math.expm1(-interval);
  let [before, here] = [unknownTails(), unknownTails()];
  pair.tails(first * interval, before);
  masses[0] = before.pBelow;
  for (let k = first + 1; k <= last; k++) {
    pair.tails(k * interval, here);
    const pSmall = here.pBelow < 0.5;
    const qSmall = here.qBelow < 0.5;
    const p = pSmall ? here.pBelow - before.pBelow : before.pAbove - here.pAbove;
    const q = qSmall ? here.qBelow - before.qBelow : before.qAbove - here.qAbove;
    if (p > 0) {
      const error = ULPS * ((pSmall ? here.pBelow : before.pAbove) / p);
      const qError = q > 0 ? ULPS * ((qSmall ? here.qBelow : before.qAbove) / q) : 0;
      const ratio = q > 0 ? (q / p) * Math.exp((k - 1) * interval) : 0;
      const up = Math.min(1, Math.max(0, (1 - ratio + error + qError) / step));
      masses[k - first] += p * up;
      masses[k - first - 1] += p * (1 - up);
    }
    [before, here] = [here, before];
  }
  return new LossDistribution(interval, first, masses, before.pAbove);
}

function fromAtoms(pair: AtomicPair, interval: number, first: number, last: number): LossDistribution {
  const masses = new Float64Array(last - first + 1);
  const step = -Math.expm1(-interval);
  for (let i = 0; i < pair.losses.length; i++) {
    const loss = pair.losses[i];
    const k = Math.min(last - 1, Math.floor(loss / interval));
    const up = Math.min(1, Math.max(0, (-Math.expm1(k * interval - loss) + ULPS) / step));
    masses[k - first] += pair.masses[i] * (1 - up);
    masses[k - first + 1] += pair.masses[i] * up;
  }
  return new LossDistribution(interval, first, masses, pair.infinityMass);
}
