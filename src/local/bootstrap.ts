import { FedKimError } from "../formats/errors.ts";
import { SeededRandom } from "../tensor/seeded_random.ts";
import type { Figure, Judged } from "./figures.ts";

/** How an interval is drawn. */
export interface BootstrapOptions {
  /** Resamples. */
  readonly resamples: number;
  /** Confidence level, for example 0.95. */
  readonly level: number;
  /** Seeds the resampling. */
  readonly seed: number;
}

/** 1000 resamples at 95 %. */
export const DEFAULT_BOOTSTRAP: BootstrapOptions = { resamples: 1000, level: 0.95, seed: 1 };

/** A figure and its confidence interval. */
export interface Estimate {
  /** The figure on all records. */
  readonly value: number;
  /** Lower end; absent when the figure was defined in fewer than half of the resamples. */
  readonly low?: number;
  /** Upper end. */
  readonly high?: number;
}

/**
 * Percentile bootstrap (Efron and Tibshirani 1993, section 13.3) over units, not records: the records of one
 * patient are not independent, so they are drawn together.
 *
 * @param data scores and targets
 * @param units the unit of every record
 * @param figure what to estimate
 * @param options number of resamples, level and seed
 * @returns undefined where the figure is not defined on all records
 * @throws FedKimError `ConfigError` for a level outside of (0, 1), no resamples, or units that do not match
 */
export function bootstrap(
  data: Judged,
  units: readonly string[],
  figure: Figure,
  options: BootstrapOptions = DEFAULT_BOOTSTRAP,
): Estimate | undefined {
  const { resamples, level, seed } = options;
  if (!(level > 0 && level < 1 && resamples >= 1 && units.length * data.outputs === data.labels.length)) {
    throw new FedKimError("ConfigError", "A bootstrap cannot be drawn like this.", {
      found: `level ${level}, ${resamples} resamples, ${units.length} units`,
      needed: "a level between 0 and 1, at least one resample and one unit per record",
    });
  }
  const value = figure(data);
  if (value === undefined) return undefined;
  const groups = new Map<string, number[]>();
  units.forEach((unit, row) => groups.set(unit, [...groups.get(unit) ?? [], row]));
  const pools = [...groups.values()];
  const random = new SeededRandom(seed);
  const found: number[] = [];
  for (let run = 0; run < resamples; run++) {
    const rows = pools.flatMap(() => pools[random.integer(pools.length)]);
    const drawn = figure(rowsOf(data, rows));
    if (drawn !== undefined) found.push(drawn);
  }
  if (2 * found.length < resamples) return { value };
  found.sort((a, b) => a - b);
  return { value, low: quantile(found, (1 - level) / 2), high: quantile(found, (1 + level) / 2) };
}

function rowsOf({ outputs, scores, labels }: Judged, rows: readonly number[]): Judged {
  const take = (values: ArrayLike<number>): Float64Array => {
    return Float64Array.from({ length: rows.length * outputs }, (_, at) => {
      return values[rows[Math.floor(at / outputs)] * outputs + at % outputs];
    });
  };
  return { outputs, scores: take(scores), labels: take(labels) };
}

/** Linear interpolation between order statistics. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const low = Math.floor(at), high = Math.ceil(at);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}
