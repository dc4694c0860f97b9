import type { LossDistribution } from "./loss_distribution.ts";

/**
 * Smallest epsilon >= 0 with delta(epsilon) <= delta, where delta(e) = m_inf + sum over losses y > e of
 * m(y) (1 - e^{e - y}). The sums run from the top without cancellation: d' = d e^{-h} + S (1 - e^{-h}) one
 * grid step lower.
 * @returns Infinity where the mass at infinity alone exceeds delta
 */
export function epsilonOfLoss(loss: LossDistribution, delta: number): number {
  const { interval, lowest, masses, infinityMass } = loss;
  if (infinityMass > delta) return Infinity;
  const decay = Math.exp(-interval);
  const growth = -Math.expm1(-interval);
  let mass = 0;
  let excess = 0;
  for (let i = masses.length - 1; i >= 0; i--) {
    mass += masses[i];
    const next = excess * decay + mass * growth;
    const below = (lowest + i - 1) * interval;
    if (infinityMass + next > delta) {
      // Between two grid points delta(y - u) = m_inf + excess e^{-u} + mass (1 - e^{-u}): solve for u.
      const u = -Math.log1p(-(delta - infinityMass - excess) / (mass - excess));
      return Math.max(0, below + interval - u);
    }
    if (below <= 0) return 0;
    excess = next;
  }
  const share = (delta - infinityMass - excess) / (mass - excess);
  return share >= 1 ? 0 : Math.max(0, (lowest - 1) * interval + Math.log1p(-share));
}

/** delta(epsilon) of a privacy loss, epsilon >= 0. */
export function deltaOfLoss(loss: LossDistribution, epsilon: number): number {
  const { interval, lowest, masses, infinityMass } = loss;
  let delta = 0;
  for (let i = masses.length - 1; i >= 0; i--) {
    const y = (lowest + i) * interval;
    if (y <= epsilon) break;
    delta -= masses[i] * Math.expm1(epsilon - y);
  }
  return Math.min(1, infinityMass + delta);
}
