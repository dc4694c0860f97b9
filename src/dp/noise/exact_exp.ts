/** Lower and upper bounds of a positive number, in units of 2^-bits. */
export interface ExpBounds {
  /** Not above the number. */
  readonly low: bigint;
  /** Not below it. */
  readonly high: bigint;
}

/**
 * Rigorous bounds of exp(-numerator/denominator) in units of 2^-bits, by integer arithmetic alone: an
 * alternating Taylor series of a reduced argument, then repeated squaring, every operation rounded outward.
 */
export function expMinusBounds(numerator: bigint, denominator: bigint, bits: bigint): ExpBounds {
  const guard = bits + 64n;
  let halvings = 1n;
  while (numerator > denominator << (halvings - 1n)) halvings++;
  const precision = guard + 2n * halvings;
  const one = 1n << precision;
  const divisor = denominator << halvings;
  let low = one;
  let high = one;
  let termLow = one;
  let termHigh = one;
  for (let k = 1n; termHigh > 1n; k++) {
    termLow = (termLow * numerator) / (divisor * k);
    termHigh = (termHigh * numerator) / (divisor * k) + 1n;
    if (k % 2n === 1n) {
      low -= termHigh;
      high -= termLow;
    } else {
      low += termLow;
      high += termHigh;
    }
  }
  // The remainder of an alternating decreasing series is at most its next term, here at most one unit. The argument is
  // at most 1/2, so both bounds are far above 0.
  low -= 1n;
  high += 1n;
  for (let i = 0n; i < halvings; i++) {
    low = (low * low) >> precision;
    high = ((high * high) >> precision) + 1n;
  }
  const shift = precision - bits;
  return { low: low >> shift, high: (high >> shift) + 1n };
}

/**
 * Decides U < exp(-numerator/denominator) for a uniform U whose first 32 bits are `first`; further bits
 * come from `word`, as many as it takes. With U uniform this is an exact Bernoulli draw.
 */
export function belowExpMinus(
  first: number,
  numerator: bigint,
  denominator: bigint,
  word: () => number,
): boolean {
  if (numerator <= 0n) return true;
  let prefix = BigInt(first);
  for (let bits = 32n;; bits += 32n) {
    const { low, high } = expMinusBounds(numerator, denominator, bits);
    if (prefix + 1n <= low) return true;
    if (prefix >= high) return false;
    prefix = (prefix << 32n) | BigInt(word());
  }
}
