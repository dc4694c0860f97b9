import type { RandomBytes } from "../../src/formats/random_bytes.ts";
import { normalCdf } from "../../src/dp/numerics/mod.ts";

/** Textbook recursive Fourier transform on plain arrays. */
function fft(re: number[], im: number[], inverse: boolean): [number[], number[]] {
  const n = re.length;
  if (n === 1) return [re, im];
  const half = n / 2;
  const pick = (list: number[], odd: number) => Array.from({ length: half }, (_, i) => list[2 * i + odd]);
  const [er, ei] = fft(pick(re, 0), pick(im, 0), inverse);
  const [or, oi] = fft(pick(re, 1), pick(im, 1), inverse);
  const outRe = new Array<number>(n);
  const outIm = new Array<number>(n);
  for (let k = 0; k < half; k++) {
    const angle = ((inverse ? 2 : -2) * Math.PI * k) / n;
    const c = Math.cos(angle), s = Math.sin(angle);
    const tr = c * or[k] - s * oi[k], ti = c * oi[k] + s * or[k];
    outRe[k] = er[k] + tr;
    outIm[k] = ei[k] + ti;
    outRe[k + half] = er[k] - tr;
    outIm[k + half] = ei[k] - ti;
  }
  return [outRe, outIm];
}

/** A privacy loss on a grid, as plain numbers. */
export interface NaiveLoss {
  /** Grid index of the first mass. */
  lowest: number;
  /** Masses. */
  masses: number[];
}

/**
 * Privacy buckets of the sampled Gaussian, remove direction: losses rounded up, one scalar inverse per
 * bucket.
 */
export function naiveLoss(q: number, sigma: number, interval: number): NaiveLoss {
  const loss = (x: number) => Math.log(1 - q + q * Math.exp((2 * x - 1) / (2 * sigma * sigma)));
  const at = (l: number) => {
    const inner = (Math.exp(l) - (1 - q)) / q;
    return inner <= 0 ? -Infinity : sigma * sigma * Math.log(inner) + 0.5;
  };
  const cdf = (x: number) => (1 - q) * normalCdf(x / sigma) + q * normalCdf((x - 1) / sigma);
  const lowest = Math.floor(loss(-10 * sigma) / interval);
  const highest = Math.ceil(loss(1 + 10 * sigma) / interval);
  const masses: number[] = [];
  for (let k = lowest; k <= highest; k++) masses.push(cdf(at(k * interval)) - cdf(at((k - 1) * interval)));
  return { lowest, masses };
}

/** Convolution of two losses, tails of 1e-15 cut: the pairwise composition of the usual accountants. */
export function naiveCompose(a: NaiveLoss, b: NaiveLoss): NaiveLoss {
  const length = a.masses.length + b.masses.length - 1;
  let size = 1;
  while (size < length) size *= 2;
  const pad = (list: number[]) => [...list, ...new Array<number>(size - list.length).fill(0)];
  const zero = () => new Array<number>(size).fill(0);
  const [ar, ai] = fft(pad(a.masses), zero(), false);
  const [br, bi] = fft(pad(b.masses), zero(), false);
  const [re] = fft(
    ar.map((x, i) => x * br[i] - ai[i] * bi[i]),
    ar.map((x, i) => x * bi[i] + ai[i] * br[i]),
    true,
  );
  let masses = re.slice(0, length).map((x) => Math.max(0, x / size));
  let first = 0;
  for (let sum = 0; first < masses.length && sum + masses[first] < 1e-15; first++) sum += masses[first];
  let last = masses.length - 1;
  for (let sum = 0; last > first && sum + masses[last] < 1e-15; last--) sum += masses[last];
  masses = masses.slice(first, last + 1);
  return { lowest: a.lowest + b.lowest + first, masses };
}

/** The count-fold composition by squaring. */
export function naivePower(loss: NaiveLoss, count: number): NaiveLoss {
  let power = loss;
  let total: NaiveLoss | undefined;
  for (let n = count; n > 0; n = Math.floor(n / 2)) {
    if (n % 2 === 1) total = total === undefined ? power : naiveCompose(total, power);
    if (n > 1) power = naiveCompose(power, power);
  }
  return total ?? power;
}

/** Epsilon by trying grid points from the bottom, each with its own sum. */
export function naiveEpsilon({ lowest, masses }: NaiveLoss, interval: number, delta: number): number {
  const deltaAt = (epsilon: number) =>
    masses.reduce((sum, m, i) => {
      const y = (lowest + i) * interval;
      return y > epsilon ? sum + m * (1 - Math.exp(epsilon - y)) : sum;
    }, 0);
  let [low, high] = [0, 1000];
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (deltaAt(middle) > delta) low = middle;
    else high = middle;
  }
  return high;
}

/** RDP of the sampled Gaussian by Simpson's rule with a fixed fine step. */
export function naiveRdp(order: number, q: number, sigma: number): number {
  const f = (x: number) => {
    const ratio = 1 - q + q * Math.exp((2 * x - 1) / (2 * sigma * sigma));
    return (ratio ** order * Math.exp((-x * x) / (2 * sigma * sigma))) / (sigma * Math.sqrt(2 * Math.PI));
  };
  const [low, high, n] = [-12 * sigma, order + 12 * sigma, 4000];
  const h = (high - low) / n;
  let sum = f(low) + f(high);
  for (let i = 1; i < n; i++) sum += (i % 2 === 1 ? 4 : 2) * f(low + i * h);
  return Math.log((sum * h) / 3) / (order - 1);
}

/** The samplers of Canonne, Kamath, Steinke 2020 as they are printed, on big integers, a byte at a time. */
export function naiveDiscreteGaussian(variance: bigint, randomBytes: RandomBytes): bigint {
  const uniform = (below: bigint): bigint => {
    const bits = below.toString(2).length;
    for (;;) {
      let value = 0n;
      for (const byte of randomBytes(Math.ceil(bits / 8))) value = (value << 8n) | BigInt(byte);
      value &= (1n << BigInt(bits)) - 1n;
      if (value < below) return value;
    }
  };
  const bernoulli = (a: bigint, b: bigint) => uniform(b) < a;
  const expCoin = (a: bigint, b: bigint): boolean => {
    if (a > b) return expCoin(1n, 1n) && expCoin(a - b, b);
    let k = 1n;
    while (bernoulli(a, b * k)) k++;
    return k % 2n === 1n;
  };
  const t = BigInt(Math.floor(Math.sqrt(Number(variance)))) + 1n;
  for (;;) {
    const u = uniform(t);
    if (!expCoin(u, t)) continue;
    let v = 0n;
    while (expCoin(1n, 1n)) v++;
    const size = u + t * v;
    const negative = bernoulli(1n, 2n);
    if (negative && size === 0n) continue;
    const distance = size * t - variance;
    if (expCoin(distance * distance, 2n * variance * t * t)) return negative ? -size : size;
  }
}

/**
 * Rotation, scaling and unbiased rounding on plain arrays, with one call of the random generator per
 * coordinate.
 */
export function naiveEncode(vector: readonly number[], scale: number): number[] {
  let data = vector.map((x) => x * (crypto.getRandomValues(new Uint8Array(1))[0] & 1 ? -1 : 1));
  for (let h = 1; h < data.length; h *= 2) {
    const next = new Array<number>(data.length);
    for (let i = 0; i < data.length; i++) {
      next[i] = (i & h) === 0 ? data[i] + data[i + h] : data[i - h] - data[i];
    }
    data = next;
  }
  const factor = scale / Math.sqrt(data.length);
  return data.map((x) => Math.floor(x * factor + crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32));
}
