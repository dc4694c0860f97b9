/** Closeness tau of a sum of n discrete Gaussians to one: 10 sum_{k<n} exp(-2 pi^2 s^2 k/(k+1)). */
export function sharesTau(localSigma: number, shares: number): number {
  let tau = 0;
  for (let k = 1; k < shares; k++) {
    tau += Math.exp((-2 * Math.PI * Math.PI * localSigma * localSigma * k) / (k + 1));
  }
  return 10 * tau;
}

/**
 * RDP of the sum of n discrete Gaussian shares over Z^d.
 * Source: Kairouz, Liu, Steinke 2021, Proposition 14 (the best of its three terms).
 */
export function sumOfDiscreteGaussiansRdp(
  order: number,
  mechanism: {
    readonly localSigma: number;
    readonly shares: number;
    readonly l2: number;
    readonly l1: number;
    readonly dimension: number;
  },
): number {
  const { localSigma, shares, l2, l1, dimension } = mechanism;
  const tau = sharesTau(localSigma, shares);
  const deviation = Math.sqrt(shares) * localSigma;
  const ratio = l2 / deviation;
  const first = (order / 2) * ratio * ratio + tau * dimension;
  const second = (order / 2) *
    (ratio * ratio + (2 * l1 * tau) / deviation + tau * tau * dimension);
  const third = (order / 2) * (ratio + Math.sqrt(dimension) * tau) ** 2;
  return Math.min(first, second, third);
}

/**
 * RDP of the symmetric Skellam mechanism. Source: Agarwal, Kairouz, Liu 2021, Theorem 3.5; integer orders.
 */
export function skellamRdp(order: number, variance: number, l2: number, l1: number): number {
  const square = l2 * l2;
  const correction = Math.min(
    ((2 * order - 1) * square + 6 * l1) / (4 * variance * variance),
    (3 * l1) / (2 * variance),
  );
  return (order * square) / (2 * variance) + correction;
}

/**
 * RDP of tree aggregation in which one unit is in one tree: its leaf is under bit-length(n) released nodes.
 */
export function treeRdp(order: number, sigma: number, stepCounts: number | readonly number[]): number {
  const counts = typeof stepCounts === "number" ? [stepCounts] : stepCounts;
  const height = Math.max(...counts.map((n) => Math.floor(Math.log2(n)) + 1));
  return (order * height) / (2 * sigma * sigma);
}
