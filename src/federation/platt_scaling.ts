/** Maps a score to a probability: `1 / (1 + exp(-(slope * score + intercept)))`. */
export interface Calibration {
  /** Factor of the score, positive. */
  readonly slope: number;
  /** Added to the scaled score. */
  readonly intercept: number;
}

/** Newton steps at most; some ten are usual. */
const STEPS = 200;
/** Ridge on the standardised slope, so that separable scores keep a finite one. */
const RIDGE = 1e-3;
/** The largest component of the gradient, per record, at which the fit counts as found. */
const FLAT = 1e-9;

/**
 * Fits a probability to scores by Platt scaling (Platt 1999), with the smoothed targets of that paper, which keep few
 * records from promising certainty, and Newton steps that are halved until the loss falls (Lin, Lin and Weng 2007).
 * Scores are standardised inside, so any scale of scores is fitted alike.
 * @param scores scores of labelled records
 * @param labels 0 or 1 for each
 * @returns undefined with one class only, where all scores are equal, or where higher scores do not mean yes: the
 * probability would contradict the answer
 */
export function plattScaling(scores: ArrayLike<number>, labels: readonly number[]): Calibration | undefined {
  const n = labels.length;
  const positives = labels.reduce((sum, label) => sum + label, 0);
  if (positives === 0 || positives === n) return undefined;
  const mean = sum(n, (i) => scores[i]) / n;
  const deviation = Math.sqrt(sum(n, (i) => (scores[i] - mean) ** 2) / n);
  if (!(deviation > 0 && Number.isFinite(deviation))) return undefined;
  const x = Float64Array.from({ length: n }, (_, i) => (scores[i] - mean) / deviation);
  const [high, low] = [(positives + 1) / (positives + 2), 1 / (n - positives + 2)];
  const target = labels.map((label) => label === 1 ? high : low);
  const loss = (a: number, b: number): number =>
    RIDGE * a * a / 2 + sum(n, (i) => softplus(a * x[i] + b) - target[i] * (a * x[i] + b));
  let [a, b] = [0, Math.log((positives + 1) / (n - positives + 1))];
  let value = loss(a, b);
  for (let step = 0; step < STEPS; step++) {
    let [ga, gb, haa, hab, hbb] = [RIDGE * a, 0, RIDGE, 0, 1e-12];
    for (let i = 0; i < n; i++) {
      const p = logistic(a * x[i] + b);
      const [error, weight] = [p - target[i], p * (1 - p)];
      ga += error * x[i];
      gb += error;
      haa += weight * x[i] * x[i];
      hab += weight * x[i];
      hbb += weight;
    }
    if (Math.max(Math.abs(ga), Math.abs(gb)) < FLAT * n) {
      return a > 0 ? { slope: a / deviation, intercept: b - a * mean / deviation } : undefined;
    }
    const determinant = haa * hbb - hab * hab;
    const [da, db] = [(hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant];
    let size = 1;
    // Armijo's condition; the direction descends because the Hessian is positive.
    while (
      size > 1e-12 && !(loss(a - size * da, b - size * db) <= value - 1e-4 * size * (ga * da + gb * db))
    ) {
      size /= 2;
    }
    a -= size * da;
    b -= size * db;
    value = loss(a, b);
  }
  return undefined;
}

/** The probability of a score. */
export function calibrated(score: number, { slope, intercept }: Calibration): number {
  return logistic(slope * score + intercept);
}

function logistic(z: number): number {
  return 1 / (1 + Math.exp(-z));
}

/** log(1 + exp(z)) without overflow. */
function softplus(z: number): number {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

function sum(n: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += term(i);
  return total;
}
