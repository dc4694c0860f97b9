/** ln(e^a + e^b) without overflow; -Infinity stands for ln 0. */
export function logAdd(a: number, b: number): number {
  const high = Math.max(a, b);
  if (high === -Infinity) return -Infinity;
  return high + Math.log1p(Math.exp(Math.min(a, b) - high));
}

/** ln of the sum of exponentials of `terms`. */
export function logSum(terms: readonly number[]): number {
  let high = -Infinity;
  for (const term of terms) high = Math.max(high, term);
  if (high === -Infinity || high === Infinity) return high;
  let sum = 0;
  for (const term of terms) sum += Math.exp(term - high);
  return high + Math.log(sum);
}

/** ln(e^x - 1) for x > 0. */
export function logExpm1(x: number): number {
  return x > 40 ? x + Math.log1p(-Math.exp(-x)) : Math.log(Math.expm1(x));
}

/** ln(1 + e^x). */
export function logOnePlusExp(x: number): number {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}
