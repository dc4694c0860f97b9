/** A normal component with unit variance. */
export interface MixtureComponent {
  /** Weight; the weights sum to 1. */
  readonly weight: number;
  /** Mean in standard deviations. */
  readonly mean: number;
}

/** Nodes per standard deviation: the trapezoid rule of an analytic integrand converges geometrically. */
const NODES_PER_SIGMA = 5;
/** Integration reaches this many standard deviations beyond the outermost peaks. */
const REACH = 12;

/** (1 + u)^a - 1 - a u for u > -1, without cancellation for small u. */
function excessPower(u: number, a: number): number {
  if (Math.abs(u) * Math.max(1, a) > 0.02) return Math.expm1(a * Math.log1p(u)) - a * u;
  let term = (a * (a - 1) / 2) * u * u;
  let sum = term;
  for (let k = 3; k < 12; k++) {
    term *= ((a - k + 1) / k) * u;
    sum += term;
  }
  return sum;
}

/**
 * ln E_{x ~ N(0,1)} [R(x)^order], R = mixture density over N(0,1), order > 1.
 * Since E[R - 1] = 0, the integrand R^a - 1 - a (R - 1) >= 0 gives A - 1 as a sum of positive terms.
 */
export function logRatioMoment(order: number, parts: readonly MixtureComponent[]): number {
  const components = parts.filter((c) => c.weight > 0);
  const means = components.map((c) => c.mean);
  const top = Math.max(0, ...means);
  const low = Math.min(0, ...means) * order - REACH;
  const high = top * order + REACH;
  // R has complex zeros about pi / (spacing of the means) away from the real axis: the step stays well
  // below that.
  const width = Math.max(top, -Math.min(0, ...means), 1e-9);
  const step = Math.min(1 / NODES_PER_SIGMA, 1 / (2 * width));
  const nodes = Math.ceil((high - low) / step);
  let scale = -Infinity;
  let sum = 0;
  for (let i = 0; i <= nodes; i++) {
    const x = low + i * step;
    const logTerm = logIntegrand(x, order, components);
    if (logTerm > scale) {
      sum = sum * Math.exp(scale - logTerm) + 1;
      scale = logTerm;
    } else if (logTerm > scale - 60) {
      sum += Math.exp(logTerm - scale);
    }
  }
  const logExcess = scale + Math.log(sum * step) - 0.5 * Math.log(2 * Math.PI);
  return logExcess > 700 ? logExcess : Math.log1p(Math.exp(logExcess));
}

function logIntegrand(x: number, order: number, parts: readonly MixtureComponent[]): number {
  let u = 0;
  let logR = -Infinity;
  for (const { weight, mean } of parts) {
    const exponent = mean * x - (mean * mean) / 2;
    u += weight * Math.expm1(exponent);
    const term = Math.log(weight) + exponent;
    const high = Math.max(logR, term);
    logR = high + Math.log(Math.exp(logR - high) + Math.exp(term - high));
  }
  // Large ratios overflow: there R^a is all that counts.
  const logExcess = logR * order > 600 ? order * logR : Math.log(Math.max(0, excessPower(u, order)));
  return logExcess - (x * x) / 2;
}
