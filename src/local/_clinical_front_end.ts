import type { TimeseriesValue, VectorValue } from "./dataset.ts";

/** Statistics of a channel over the whole time: mean, least, greatest, last, spread, trend, missing share. */
export const SERIES_STATISTICS = 7;
/** Patches over time, each with a mean and a missing share. */
export const SERIES_PATCHES = 4;

/** Two views of a time series: statistics over the whole time, and means over four patches of time. */
export function timeseriesFeatures(series: TimeseriesValue): Float32Array[] {
  const { channels } = series;
  const whole = new Float32Array(channels * SERIES_STATISTICS);
  const patches = new Float32Array(channels * SERIES_PATCHES * 2);
  for (let channel = 0; channel < channels; channel++) {
    whole.set(channelStatistics(series, channel), channel * SERIES_STATISTICS);
    for (let patch = 0; patch < SERIES_PATCHES; patch++) {
      const [mean, missing] = meanBetween(
        series,
        channel,
        patch / SERIES_PATCHES,
        (patch + 1) / SERIES_PATCHES,
      );
      patches.set([mean, missing], (channel * SERIES_PATCHES + patch) * 2);
    }
  }
  return [whole, patches];
}

/**
 * One view of a vector: logarithms (laboratory values and volumes are skewed) and, per channel, whether it is
 * missing: what a physician did not measure is informative.
 */
export function vectorFeatures(vector: VectorValue): Float32Array[] {
  const { data } = vector;
  const out = new Float32Array(2 * data.length);
  data.forEach((value, index) => {
    out[2 * index] = Math.sign(value) * Math.log1p(Math.abs(value));
    out[2 * index + 1] = Number.isNaN(value) ? 1 : 0;
  });
  return [out];
}

function channelStatistics(series: TimeseriesValue, channel: number): number[] {
  const { steps, channels, data } = series;
  let seen = 0, sum = 0, square = 0, low = Infinity, high = -Infinity, last = NaN;
  for (let step = 0; step < steps; step++) {
    const value = data[step * channels + channel];
    if (Number.isNaN(value)) continue;
    seen++;
    sum += value;
    square += value * value;
    low = Math.min(low, value);
    high = Math.max(high, value);
    last = value;
  }
  if (seen === 0) return [NaN, NaN, NaN, NaN, NaN, NaN, 1];
  const mean = sum / seen;
  const trend = meanBetween(series, channel, 0.5, 1)[0] - meanBetween(series, channel, 0, 0.5)[0];
  return [
    mean,
    low,
    high,
    last,
    Math.sqrt(Math.max(0, square / seen - mean * mean)),
    trend,
    1 - seen / steps,
  ];
}

/**
 * Mean of a channel's present values in a fraction of the time (NaN when none), and the share of missing
 * ones.
 */
function meanBetween(series: TimeseriesValue, channel: number, from: number, to: number): [number, number] {
  const { steps, channels, data } = series;
  const start = Math.floor(from * steps), end = Math.max(start + 1, Math.floor(to * steps));
  let seen = 0, sum = 0;
  for (let step = start; step < end; step++) {
    const value = data[step * channels + channel];
    if (Number.isNaN(value)) continue;
    seen++;
    sum += value;
  }
  return [seen === 0 ? NaN : sum / seen, 1 - seen / (end - start)];
}
