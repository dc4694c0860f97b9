/** ln(n!) for n = 0, 1, ..., grown on demand. */
const logFactorials: number[] = [0];

/** Natural logarithm of n!, summed exactly term by term. */
export function logFactorial(n: number): number {
  for (let i = logFactorials.length; i <= n; i++) logFactorials.push(logFactorials[i - 1] + Math.log(i));
  return logFactorials[n];
}

/** ln C(n, k); -Infinity outside 0 <= k <= n. */
export function logChoose(n: number, k: number): number {
  return k < 0 || k > n ? -Infinity : logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

/** Pr[X = x] for X the number of marked among `draws` drawn without replacement from `total` with `marked` marked. */
export function hypergeometricPmf(total: number, marked: number, draws: number, x: number): number {
  return Math.exp(
    logChoose(marked, x) + logChoose(total - marked, draws - x) - logChoose(total, draws),
  );
}

/** Smallest x with Pr[X > x] <= probability. */
export function upperQuantile(total: number, marked: number, draws: number, probability: number): number {
  let tail = 0;
  for (let x = Math.min(marked, draws); x >= 0; x--) {
    tail += hypergeometricPmf(total, marked, draws, x);
    if (tail > probability) return x;
  }
  return -1;
}

/** Largest x with Pr[X < x] <= probability. */
export function lowerQuantile(total: number, marked: number, draws: number, probability: number): number {
  const most = Math.min(marked, draws);
  let below = 0;
  for (let x = Math.max(0, draws - (total - marked)); x <= most; x++) {
    below += hypergeometricPmf(total, marked, draws, x);
    if (below > probability) return x;
  }
  return most + 1;
}
