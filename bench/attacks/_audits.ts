import { fdpRejects, type RandomBytes, REFUTED } from "../../src/dp/mod.ts";
import { auditSetting, BROKEN, guessSetting, SOUND } from "./_canary_path.ts";
import { mean } from "./_statistics.ts";

/** Audits of one sound setting. */
export interface SoundRow {
  /** What was audited. */
  readonly name: string;
  /** Independent audits. */
  readonly audits: number;
  /** Of them refuted at p < 0.001. */
  readonly refuted: number;
  /** Smallest p-value. */
  readonly least: number;
  /** Mean lower bound on epsilon. */
  readonly lower: number;
  /** The claim. */
  readonly upper: number;
}

/** Audits of one broken build. */
export type BrokenRow = Pick<SoundRow, "name" | "audits" | "refuted">;

/** Repeats the audits of the sound settings. */
export function auditSound(audits: number, bytes: RandomBytes): SoundRow[] {
  return SOUND.map((setting) => {
    const found = Array.from({ length: audits }, () => auditSetting(setting, {}, bytes));
    const values = found.map(({ pValue }) => pValue);
    return {
      name: setting.name,
      audits,
      refuted: values.filter((value) => value < REFUTED).length,
      least: Math.min(...values),
      lower: mean(found.map(({ epsilonLower }) => epsilonLower)),
      upper: found[0].epsilonUpper,
    };
  });
}

/** A build that is missed once is audited this many times as often, so that the power is known all the same. */
const AGAIN = 5;

/** Repeats the audits of the broken builds, whose share of refutations is the power. */
export function auditBroken(audits: number, bytes: RandomBytes): BrokenRow[] {
  return BROKEN.map(({ name, setting, build }) => {
    let refuted = 0, done = 0;
    for (let wanted = audits; done < wanted; done++) {
      const { counts, claim } = guessSetting(setting, build, bytes);
      if (fdpRejects(counts, claim, REFUTED)) refuted++;
      else wanted = AGAIN * audits;
    }
    return { name, audits: done, refuted };
  });
}
