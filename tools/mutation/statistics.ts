/** 97.5 % quantile of the normal distribution. */
const Z = 1.959963984540054;

/** Wilson's 95 % interval of a proportion: `hits` of `n` drawn at random. */
export function wilson(hits: number, n: number): readonly [low: number, high: number] {
  if (n === 0) return [0, 1];
  const p = hits / n;
  const middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n);
  const half = (Z / (1 + Z * Z / n)) * Math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}
