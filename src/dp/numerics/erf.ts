/** Coefficients of the three rational Chebyshev fits of Cody (1969), Tables I to III, degree of 1e-16. */
const SMALL_P = [
  3.16112374387056560e0,
  1.13864154151050156e2,
  3.77485237685302021e2,
  3.20937758913846947e3,
  1.85777706184603153e-1,
];
const SMALL_Q = [2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3];
const MIDDLE_P = [
  5.64188496988670089e-1,
  8.88314979438837594e0,
  6.61191906371416295e1,
  2.98635138197400131e2,
  8.81952221241769090e2,
  1.71204761263407058e3,
  2.05107837782607147e3,
  1.23033935479799725e3,
  2.15311535474403846e-8,
];
const MIDDLE_Q = [
  1.57449261107098347e1,
  1.17693950891312499e2,
  5.37181101862009858e2,
  1.62138957456669019e3,
  3.29079923573345963e3,
  4.36261909014324716e3,
  3.43936767414372164e3,
  1.23033935480374942e3,
];
const LARGE_P = [
  3.05326634961232344e-1,
  3.60344899949804439e-1,
  1.25781726111229246e-1,
  1.60837851487422766e-2,
  6.58749161529837803e-4,
  1.63153871373020978e-2,
];
const LARGE_Q = [
  2.56852019228982242e0,
  1.87295284992346725e0,
  5.27905102951428412e-1,
  6.05183413124413191e-2,
  2.33520497626869185e-3,
];

const SQRT1_2 = Math.SQRT1_2;
const INV_SQRT_PI = 1 / Math.sqrt(Math.PI);
const LOG_SQRT_2PI = 0.5 * Math.log(2 * Math.PI);

/**
 * Ratio of two polynomials in Cody's layout: the last numerator coefficient leads, the denominator is
 * monic.
 */
function rational(x: number, p: readonly number[], q: readonly number[]): number {
  const n = q.length;
  let top = p[n] * x;
  let bottom = x;
  for (let i = 0; i < n - 1; i++) {
    top = (top + p[i]) * x;
    bottom = (bottom + q[i]) * x;
  }
  return (top + p[n - 1]) / (bottom + q[n - 1]);
}

/** exp(-x^2) with the square split in two, so that the rounding of x*x does not grow with x. */
function expMinusSquare(x: number): number {
  const head = Math.trunc(x * 16) / 16;
  return Math.exp(-head * head) * Math.exp(-(x - head) * (x + head));
}

/** erfc(x) e^{x^2} for x >= 0.46875. */
function scaledTail(x: number): number {
  if (x <= 4) return rational(x, MIDDLE_P, MIDDLE_Q);
  const inverseSquare = 1 / (x * x);
  return (INV_SQRT_PI - inverseSquare * rational(inverseSquare, LARGE_P, LARGE_Q)) / x;
}

/** erfc(x) for x >= 0.46875; from 27 on it is below 1e-318 and counts as 0. */
function tailBeyond(x: number): number {
  return x > 27 ? 0 : expMinusSquare(x) * scaledTail(x);
}

/** Error function, relative error about 1e-16. Source: Cody, Rational Chebyshev Approximations, 1969. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size <= 0.46875) return x * rational(x * x, SMALL_P, SMALL_Q);
  const tail = tailBeyond(size);
  return x > 0 ? 1 - tail : tail - 1;
}

/** Complementary error function with full relative accuracy in the right tail. Source: Cody 1969. */
export function erfc(x: number): number {
  if (Math.abs(x) <= 0.46875) return 1 - erf(x);
  const size = Math.abs(x);
  const tail = tailBeyond(size);
  return x > 0 ? tail : 2 - tail;
}

/** Standard normal distribution function, accurate relatively in the left tail. */
export function normalCdf(x: number): number {
  return 0.5 * erfc(-x * SQRT1_2);
}

/** Natural logarithm of {@link normalCdf}, without underflow in the left tail. */
export function logNormalCdf(x: number): number {
  if (x > -1) return Math.log1p(-0.5 * erfc(x * SQRT1_2));
  const z = -x * SQRT1_2;
  return Math.log(0.5 * scaledTail(z)) - z * z;
}

/**
 * Quantile of the standard normal distribution, p in (0, 1): Newton steps on the logarithm of the smaller
 * tail.
 */
export function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  const target = Math.log(p);
  const t = Math.sqrt(-2 * target);
  let x = p > 0.02 ? (p - 0.5) * Math.sqrt(2 * Math.PI) : -t + (Math.log(t) + LOG_SQRT_2PI) / t;
  for (let i = 0; i < 60; i++) {
    const logCdf = logNormalCdf(x);
    const slope = Math.exp(-0.5 * x * x - LOG_SQRT_2PI - logCdf);
    const step = (logCdf - target) / slope;
    x -= step;
    if (Math.abs(step) <= 1e-15 * Math.max(1, Math.abs(x))) break;
  }
  return x;
}
