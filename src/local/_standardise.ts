import type { HostTensor } from "./weights.ts";

/**
 * Standardised features and tokens are limited to this many standard deviations: one wild value stays one
 * value.
 */
export const LIMIT = 4;
/** A feature that varies less than this on public data says nothing and is left out. */
const SMALLEST_SPREAD = 1e-6;

/** Mean and standard deviation; zero and zero of nothing. */
export function moments(values: readonly number[]): { readonly mean: number; readonly spread: number } {
  const mean = values.reduce((sum, value) => sum + value / values.length, 0);
  return {
    mean,
    spread: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2 / values.length, 0)),
  };
}

/**
 * Public statistics of every feature over the rows that have it; `scale` is 0 for a feature that says
 * nothing.
 */
export function fitStandard(
  rows: readonly Float32Array[],
  features: number,
): { readonly mean: HostTensor; readonly scale: HostTensor } {
  const mean = new Float32Array(features);
  const scale = new Float32Array(features);
  for (let f = 0; f < features; f++) {
    const present = rows.map((row) => row[f]).filter((value) => !Number.isNaN(value));
    const { mean: average, spread } = moments(present);
    mean[f] = average;
    scale[f] = spread > SMALLEST_SPREAD ? 1 / spread : 0;
  }
  return { mean: { shape: [features], data: mean }, scale: { shape: [features], data: scale } };
}

/** Zero mean, unit spread, limited; missing values become 0, the public mean. */
export function standardise(row: Float32Array, mean: Float32Array, scale: Float32Array): Float32Array {
  return row.map((value, f) => {
    const standard = (value - mean[f]) * scale[f];
    return Number.isNaN(standard) ? 0 : Math.min(LIMIT, Math.max(-LIMIT, standard));
  });
}
