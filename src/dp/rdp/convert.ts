/**
 * Epsilon of an RDP value at one order. Source: Canonne, Kamath, Steinke 2020, Proposition 12; and delta
 * alone suffices (epsilon 0) where it is at least the total variation bound sqrt(1 - e^{-rdp}) of
 * Bretagnolle and Huber.
 */
export function rdpEpsilon(order: number, rdp: number, delta: number): number {
  if (rdp === Infinity) return Infinity;
  if (delta * delta + Math.expm1(-rdp) > 0) return 0;
  const epsilon = rdp + Math.log1p(-1 / order) - Math.log(delta * order) / (order - 1);
  return Math.max(0, epsilon);
}

/** Delta of an RDP value at one order, the inverse of {@link rdpEpsilon}. */
export function rdpDelta(order: number, rdp: number, epsilon: number): number {
  if (rdp === Infinity) return 1;
  const totalVariation = Math.sqrt(-Math.expm1(-rdp));
  // Below 1.01 the quotient loses its digits, and it is never the best order there.
  if (order <= 1.01) return totalVariation;
  const logDelta = (order - 1) * (rdp - epsilon + Math.log1p(-1 / order)) - Math.log(order);
  return Math.min(totalVariation, Math.exp(logDelta));
}
