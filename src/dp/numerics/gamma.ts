/** Stirling series coefficients B_{2k} / (2k (2k-1)); Abramowitz and Stegun 6.1.41. */
const STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156];

/** ln Gamma(x) for x > 0: shifted upward until the Stirling series holds to 1e-16. */
export function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  if (z < 12) {
    let product = 1;
    while (z < 12) product *= z++;
    shift = Math.log(product);
  }
  const inverse = 1 / z;
  const square = inverse * inverse;
  let series = 0;
  for (let i = STIRLING.length - 1; i >= 0; i--) series = series * square + STIRLING[i];
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series * inverse - shift;
}

/** ln of the binomial coefficient C(n, k) for real n >= k >= 0. */
export function logBinomial(n: number, k: number): number {
  if (k === 0 || k === n) return 0;
  return logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
}
