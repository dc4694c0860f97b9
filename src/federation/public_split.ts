import { createHash } from "node:crypto";
import type { SiteData, SiteSet } from "../local/mod.ts";

/** One public patient in this many is held out for validation: every choice is made on it, never on test data. */
const VALIDATION_SHARE = 5;

/** Public data in two parts that share no patient. */
export interface PublicSplit {
  /** What encoders, heads, projectors and experts are trained on. */
  readonly train: SiteData;
  /** What learning curves, early stops and thresholds are read from. */
  readonly validation: SiteData;
}

/**
 * Splits public data by patient: a hash of the patient's own identifier decides, so the split never moves.
 * @param data the public part
 * @param fold which fifth of the patients is held out, 0 to 4; other folds than 0 are for cross-validation
 */
export function splitPublic(data: SiteData, fold: number = 0): PublicSplit {
  const held = (set: string, patient: string): boolean => foldOf(set, patient) === fold;
  return {
    train: part(data, (set, patient) => !held(set, patient)),
    validation: part(data, held),
  };
}

function foldOf(set: string, patient: string): number {
  return createHash("sha256").update(`fedkim/public-validation/${set}/${patient}`).digest()[0] %
    VALIDATION_SHARE;
}

function part(data: SiteData, keep: (set: string, patient: string) => boolean): SiteData {
  const sets = data.sets.map((set): SiteSet => {
    const rows = [...set.records.keys()].filter((row) => keep(set.name, set.records[row].patient));
    return { ...set, records: rows.map((row) => set.records[row]), units: rows.map((row) => set.units[row]) };
  });
  return { ...data, sets };
}
