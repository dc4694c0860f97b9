/** Maps a score to a probability: `1 / (1 + exp(-(slope * score + intercept)))`. */
export interface Calibration {
  /** Factor of the score; positive where higher scores mean yes. */
  readonly slope: number;
  /** Added to the scaled score. */
  readonly intercept: number;
}

/** Newton steps; the loss is convex, ten are plenty. */
const STEPS = 100;
/** Ridge on the slope, so that separable scores keep a finite one. */
const RIDGE = 1e-3;

/**
 * Fits a probability to scores by Platt scaling (Platt 1999), with the smoothed targets of that paper, which keep few
 * records from promising certainty. Scores are standardised inside, so any scale of scores is fitted alike.
 * @param scores scores of labelled records
 * @param labels 0 or 1 for each
 * @returns undefined with one class only, or where all scores are equal
 */
export function plattScaling(scores: ArrayLike<number>, labels: readonly number[]): Calibration | undefined {
  const n = labels.length;
  const positives = labels.reduce((sum, label) => sum + label, 0);
  if (positives === 0 || positives === n) return undefined;
  const mean = sum(n, (i) => scores[i]) / n;
  const deviation = Math.sqrt(sum(n, (i) => (scores[i] - mean) ** 2) / n);
  if (!(deviation > 0)) return undefined;
  const high = (positives + 1) / (positives + 2);
  const low = 1 / (n - positives + 2);
  let [a, b] = [0, Math.log((positives + 1) / (n - positives + 1))];
  for (let step = 0; step < STEPS; step++) {
    let [ga, gb, haa, hab, hbb] = [RIDGE * a, 0, RIDGE, 0, 1e-12];
    for (let i = 0; i < n; i++) {
      const x = (scores[i] - mean) / deviation;
      const p = 1 / (1 + Math.exp(-(a * x + b)));
      const error = p - (labels[i] === 1 ? high : low);
      const weight = p * (1 - p);
      ga += error * x;
      gb += error;
      haa += weight * x * x;
      hab += weight * x;
      hbb += weight;
    }
    const determinant = haa * hbb - hab * hab;
    const [da, db] = [(hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant];
    // A full step can overshoot where probabilities saturate; five in standardised units is far enough.
    const shrink = Math.min(1, 5 / Math.max(Math.abs(da), Math.abs(db), 1e-300));
    a -= shrink * da;
    b -= shrink * db;
    if (Math.max(Math.abs(da), Math.abs(db)) < 1e-12) break;
  }
  return { slope: a / deviation, intercept: b - a * mean / deviation };
}

/** The probability of a score. */
export function calibrated(score: number, { slope, intercept }: Calibration): number {
  return 1 / (1 + Math.exp(-(slope * score + intercept)));
}

function sum(n: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += term(i);
  return total;
}
