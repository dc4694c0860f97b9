import type { LossDistribution } from "./loss_distribution.ts";

/** A distribution and how often it is composed. */
export interface CountedLoss {
  /** Privacy loss of one run. */
  readonly loss: LossDistribution;
  /** Number of runs. */
  readonly count: number;
}

/** Grid indices that hold all but `tail` of the composed mass on either side. */
export interface Window {
  /** First index. */
  readonly low: number;
  /** Last index. */
  readonly high: number;
}

/** Exponents tried, as multiples of the Gaussian optimum, in powers of sqrt 2. */
const EXPONENTS = Array.from({ length: 19 }, (_, i) => 2 ** ((i - 12) / 2));
/** Grid points are merged to about this many buckets for the moment sums: the bound stays a bound. */
const BUCKETS = 1 << 14;

/** ln of the moment generating function at `order`, each bucket of losses taken at its worse end. */
function logMoment(loss: LossDistribution, order: number): number {
  const { masses, interval } = loss;
  const size = Math.max(1, Math.ceil(masses.length / BUCKETS));
  const up = order > 0;
  const centre = up ? loss.lowest + masses.length - 1 : loss.lowest;
  const ratio = Math.exp(-Math.abs(order) * interval * size);
  let sum = 0;
  let factor = 1;
  const buckets = Math.ceil(masses.length / size);
  for (let b = 0; b < buckets && factor > 0; b++) {
    const start = b * size;
    const end = Math.min(masses.length, start + size);
    let mass = 0;
    for (let i = start; i < end; i++) mass += masses[up ? masses.length - 1 - i : i];
    sum += mass * factor;
    factor *= ratio;
  }
  return Math.log(sum) + order * interval * centre;
}

function spread(loss: LossDistribution): { mean: number; variance: number } {
  let total = 0;
  let first = 0;
  for (let i = 0; i < loss.masses.length; i++) {
    total += loss.masses[i];
    first += loss.masses[i] * i;
  }
  const mean = first / total;
  let second = 0;
  for (let i = 0; i < loss.masses.length; i++) second += loss.masses[i] * (i - mean) * (i - mean);
  return { mean: mean + loss.lowest, variance: second / total };
}

/**
 * Where the composition lives: Chernoff bounds at several orders on each side, never wider than the supports.
 * Source: Koskela, Jalko, Honkela 2020, section 4.
 */
export function composedWindow(parts: readonly CountedLoss[], tail: number): Window {
  const interval = parts[0].loss.interval;
  let lowest = 0;
  let highest = 0;
  let variance = 0;
  for (const { loss, count } of parts) {
    lowest += count * loss.lowest;
    highest += count * (loss.lowest + loss.masses.length - 1);
    variance += count * spread(loss).variance;
  }
  const logTail = -Math.log(tail);
  const best = Math.sqrt(2 * logTail / Math.max(variance, 1e-12)) / interval;
  let low = lowest;
  let high = highest;
  for (const factor of EXPONENTS) {
    const order = best * factor;
    let above = logTail;
    let below = logTail;
    for (const { loss, count } of parts) {
      above += count * logMoment(loss, order);
      below += count * logMoment(loss, -order);
    }
    const reach = above / (order * interval);
    const depth = -below / (order * interval);
    if (Number.isFinite(reach)) high = Math.min(high, Math.ceil(reach));
    if (Number.isFinite(depth)) low = Math.max(low, Math.floor(depth));
  }
  return { low: Math.min(low, high), high };
}
