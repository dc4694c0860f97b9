import { poissonSample } from "../dp/mod.ts";
import type { RandomBytes } from "../formats/random_bytes.ts";
import { type DealtUnit, grouped } from "./_dealing.ts";
import type { SetFeatures, SetRows } from "./features.ts";
import { rowsOf } from "./_gradient_job.ts";
import { StoredSet } from "./stored_features.ts";

/** A set that steps sample from: its features in memory, or in a file. */
export type TrainingSet = SetFeatures | StoredSet;

/** The sets of one part of a federation, in memory or in files. */
export interface TrainingFeatures {
  /** Sets by name. */
  readonly sets: ReadonlyMap<string, TrainingSet>;
}

/** Most records that are worked on at once, and so in memory for a step. */
const PORTION_ROWS = 4096;
/** Most bytes of features that are read from a file at once. */
const PORTION_BYTES = 8 * 1024 * 1024;

/**
 * Names of all privacy units of a set that may be sampled, in a fixed order: withdrawn ones are none of them.
 *
 * @param set a set
 */
export function units(set: TrainingSet): string[] {
  return set instanceof StoredSet ? set.present.map(String) : [...set.rowsOf.keys()];
}

/**
 * Poisson sample of a set's units: each with the same probability, independently; an empty sample is a sample.
 *
 * @param set a set
 * @param samplingRate probability q in (0, 1]
 * @param randomBytes secret source; never seeded outside of tests
 * @returns names of the sampled units, for `clippedGradientSum`
 * @throws FedKimError `ConfigError` for a rate outside of (0, 1]
 */
export function sampleUnits(set: TrainingSet, samplingRate: number, randomBytes: RandomBytes): string[] {
  // Numbers need less memory than the names of all units.
  if (set instanceof StoredSet) return poissonSample(set.present, samplingRate, randomBytes).map(String);
  return poissonSample(units(set), samplingRate, randomBytes);
}

/** Some sampled units and their records. */
export interface Portion {
  /** The units, in rising order of keys. */
  readonly units: readonly DealtUnit[];
  /** A part of the set that holds all records of these units. */
  readonly rows: SetRows;
}

/**
 * Deals sampled units to portions that fit into memory; a unit is never cut, so one with more records than a portion
 * is a portion by itself.
 *
 * @param set a set
 * @param chosen units in rising order of keys
 */
export function* portions(set: TrainingSet, chosen: readonly DealtUnit[]): Generator<Portion> {
  const stored = set instanceof StoredSet;
  const most = stored ? Math.min(PORTION_ROWS, Math.ceil(PORTION_BYTES / set.rowBytes)) : PORTION_ROWS;
  const count = ({ unit }: DealtUnit): number => (stored ? set.recordsOf(unit) : rowsOf(set, unit).length);
  const fits = (group: readonly DealtUnit[]): boolean =>
    group.reduce((sum, unit) => sum + count(unit), 0) <= most;
  for (const units of grouped(chosen, fits)) {
    yield { units, rows: stored ? set.read(units.map(({ unit }) => unit)) : set };
  }
}
