import { type AtomicPair, normalReach } from "./pairs.ts";

/** Mass that may be cut from each tail of a noise distribution on the integers; it is put at infinity. */
const CUT = 1e-24;

/** Probabilities of a noise distribution on the integers, symmetric around zero. */
export interface IntegerNoise {
  /** ln p(0), ln p(1), ..., up to where the tail is below 1e-24. */
  readonly logMasses: Float64Array;
}

/** P = noise, Q = noise moved by `shift`: the dominating pair of one-dimensional noise addition. */
export function shiftedNoisePair({ logMasses }: IntegerNoise, shift: number): AtomicPair {
  const reach = logMasses.length - 1;
  const losses: number[] = [];
  const masses: number[] = [];
  let infinityMass = 2 * CUT;
  for (let x = -reach; x <= reach; x++) {
    const p = logMasses[Math.abs(x)];
    const moved = Math.abs(x - shift);
    if (moved > reach) {
      infinityMass += Math.exp(p);
    } else {
      losses.push(p - logMasses[moved]);
      masses.push(Math.exp(p));
    }
  }
  return {
    kind: "atomic",
    losses: Float64Array.from(losses),
    masses: Float64Array.from(masses),
    infinityMass,
  };
}

/** Noise with the given log-weights for 0, 1, ..., normalised over the integers. */
function normalised(logWeights: Float64Array): IntegerNoise {
  const top = logWeights[0];
  let sum = 1;
  for (let x = 1; x < logWeights.length; x++) sum += 2 * Math.exp(logWeights[x] - top);
  const logSum = top + Math.log(sum);
  return { logMasses: logWeights.map((w) => w - logSum) };
}

/** Discrete Gaussian with parameter sigma. */
export function discreteGaussianNoise(sigma: number, extra: number): IntegerNoise {
  const reach = Math.ceil(sigma * normalReach(CUT)) + 2 + extra;
  return normalised(new Float64Array(reach + 1).map((_, x) => -(x * x) / (2 * sigma * sigma)));
}

/** Discrete Laplace, p(x) proportional to e^{-a|x|}. */
export function discreteLaplaceNoise(a: number, extra: number): IntegerNoise {
  const reach = Math.ceil(-Math.log(CUT) / a) + 2 + extra;
  const logZero = Math.log(Math.tanh(a / 2));
  return { logMasses: new Float64Array(reach + 1).map((_, x) => logZero - a * x) };
}

/** Symmetric Skellam: p(x) = e^{-v} I_x(v), by Miller's backward recurrence, normalised over the integers. */
export function skellamNoise(variance: number, extra: number): IntegerNoise {
  const deviations = normalReach(CUT);
  const reach = Math.ceil(deviations * Math.sqrt(variance) + deviations * deviations) + extra;
  const start = reach + 40 + Math.ceil(Math.sqrt(reach));
  const logWeights = new Float64Array(reach + 1);
  let above = 0;
  let here = 1e-280;
  let shift = 0;
  for (let k = start; k >= 0; k--) {
    if (k <= reach) logWeights[k] = Math.log(here) + shift;
    const below = above + ((2 * k) / variance) * here;
    above = here;
    here = below;
    if (here > 1e280) {
      above *= 1e-280;
      here *= 1e-280;
      shift += 280 * Math.LN10;
    }
  }
  return normalised(logWeights);
}

/**
 * Sum of n independent discrete Gaussians, by direct convolution: every term is positive, so tails stay
 * exact.
 */
export function sumOfDiscreteGaussiansNoise(sigma: number, shares: number, extra: number): IntegerNoise {
  const share = discreteGaussianNoise(sigma, 0).logMasses;
  const reach = Math.ceil(Math.sqrt(shares) * sigma * normalReach(CUT)) + 20 + extra;
  const one = mirrored(share.map((w) => Math.exp(w)));
  let power = one;
  let total: Float64Array | undefined;
  for (let n = shares; n > 0; n = Math.floor(n / 2)) {
    if (n % 2 === 1) total = total === undefined ? power : convolve(total, power, reach);
    if (n > 1) power = convolve(power, power, reach);
  }
  const masses = total ?? one;
  const centre = (masses.length - 1) / 2;
  return { logMasses: masses.slice(centre).map(Math.log) };
}

function mirrored(half: Float64Array): Float64Array {
  const reach = half.length - 1;
  return new Float64Array(2 * reach + 1).map((_, i) => half[Math.abs(i - reach)]);
}

/** Convolution of two centred sequences, cut to [-reach, reach]. */
function convolve(a: Float64Array, b: Float64Array, reach: number): Float64Array {
  const centre = Math.min(reach, (a.length - 1) / 2 + (b.length - 1) / 2);
  const offset = (a.length - 1) / 2 + (b.length - 1) / 2 - centre;
  const out = new Float64Array(2 * centre + 1);
  for (let i = 0; i < a.length; i++) {
    const low = Math.max(0, offset - i);
    const high = Math.min(b.length - 1, offset - i + out.length - 1);
    for (let j = low; j <= high; j++) out[i + j - offset] += a[i] * b[j];
  }
  return out;
}
