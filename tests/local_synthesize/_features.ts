import type { GeneratedSet } from "../../src/local/synthesize/mod.ts";

/** A record as a reader of `records.jsonl` sees it. */
export type Loose = Record<string, unknown>;

/** The records of a set without their static types. */
export const records = (set: GeneratedSet): Loose[] => set.records as unknown as Loose[];

/** A label by its dotted path, e.g. `labels.shock`. */
export function labelOf(record: Loose, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => (value as Loose)[key], record);
}

/** A vector with missing entries as values (0 where missing) and 0/1 of being there. */
const filled = (values: readonly (number | null)[]): number[] => [
  ...values.map((value) => value ?? NaN),
  ...values.map((value) => value === null ? 0 : 1),
];

/** Mean and standard deviation over the hours of each vital sign. */
function vitalSummary(vitals: readonly (readonly (number | null)[])[]): number[] {
  return vitals[0].flatMap((_, channel) => {
    const seen = vitals.map((hour) => hour[channel]).filter((value) => value !== null);
    if (seen.length === 0) return [NaN, NaN];
    const mean = seen.reduce((sum, value) => sum + value, 0) / seen.length;
    return [mean, Math.sqrt(seen.reduce((sum, value) => sum + (value - mean) ** 2, 0) / seen.length)];
  });
}

/** Summary features of one ICU stay over these modalities; NaN = missing. */
export function icuFeatures(record: Loose, modalities: readonly string[]): number[] {
  return modalities.flatMap((name) => {
    if (name === "note") return [];
    if (name === "vitals") return vitalSummary(record[name] as (number | null)[][]);
    return filled(record[name] as (number | null)[]);
  });
}

/** Replaces NaN by the mean of its column in `rows`. */
export function imputer(rows: readonly number[][]): (row: readonly number[]) => number[] {
  const means = rows[0].map((_, j) => {
    const seen = rows.map((row) => row[j]).filter((value) => !Number.isNaN(value));
    return seen.length === 0 ? 0 : seen.reduce((sum, value) => sum + value, 0) / seen.length;
  });
  return (row) => row.map((value, j) => Number.isNaN(value) ? means[j] : value);
}

/** Means over a grid of `cells` x `cells` of image `row` of a set's image array. */
export function gridFeatures(set: GeneratedSet, row: number, cells: number): number[] {
  const [{ shape: [, side], data }] = set.arrays;
  const size = side / cells;
  return Array.from({ length: cells * cells }, (_, cell) => {
    const [top, left] = [Math.floor(cell / cells) * size, cell % cells * size];
    let sum = 0;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) sum += data[row * side * side + (top + y) * side + left + x];
    }
    return sum / size ** 2;
  });
}

/** One window of an ECG set. */
export function ecgWindow(set: GeneratedSet, row: number): number[] {
  const [{ shape: [, length], data }] = set.arrays;
  return Array.from(data.subarray(row * length, (row + 1) * length));
}

/** Positions of narrow R peaks: local maxima of the slope's energy above a third of its largest. */
export function rPeaks(signal: readonly number[]): number[] {
  const energy = signal.map((_, i) =>
    i < 2 || i > signal.length - 3 ? 0 : (signal[i + 2] - signal[i - 2]) ** 2
  );
  const smooth = energy.map((_, i) => energy.slice(Math.max(0, i - 4), i + 5).reduce((sum, v) => sum + v, 0));
  const sorted = smooth.toSorted((a, b) => a - b);
  const bar = 0.3 * sorted[Math.floor(0.97 * sorted.length)];
  const peaks: number[] = [];
  for (let i = 1; i < smooth.length - 1; i++) {
    if (smooth[i] < bar || smooth[i] < smooth[i - 1] || smooth[i] <= smooth[i + 1]) continue;
    if (peaks.length > 0 && i - peaks[peaks.length - 1] < 25) continue;
    peaks.push(i);
  }
  return peaks;
}

/** Irregularity of R-R, size and asymmetry of slow waves, energy between 4 and 8 Hz: about what a reader looks at. */
export function ecgFeatures(signal: readonly number[]): number[] {
  const peaks = rPeaks(signal);
  const intervals = peaks.slice(1).map((peak, i) => peak - peaks[i]);
  const mean = intervals.reduce((sum, v) => sum + v, 0) / Math.max(1, intervals.length);
  const spread = Math.sqrt(
    intervals.reduce((sum, v) => sum + (v - mean) ** 2, 0) / Math.max(1, intervals.length),
  );
  const sorted = intervals.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)] ?? 100;
  const slow = signal.map((_, i) =>
    signal.slice(Math.max(0, i - 6), i + 7).reduce((sum, v) => sum + v, 0) / 13
  );
  const ordered = slow.toSorted((a, b) => a - b);
  const centre = ordered[Math.floor(ordered.length / 2)];
  return [
    spread / (mean || 1),
    (sorted[sorted.length - 1] ?? middle) / middle,
    (sorted[0] ?? middle) / middle,
    ordered[ordered.length - 1] - centre,
    centre - ordered[0],
    intervals.length,
  ];
}
