import type { SeededRandom } from "../../tensor/seeded_random.ts";
import { integrateEcg } from "./ecg_model.ts";
import { drawEcgPerson, type EcgPerson, rhythm } from "./ecg_rhythm.ts";
import type { SiteProfile } from "./site_profile.ts";
import { clamp, streamOf } from "./_stream.ts";

/** Length of a window, seconds. */
export const ECG_SECONDS = 10;
/** Samples a second. */
export const ECG_RATE_HZ = 100;
/** Windows of one person. */
export const ECG_WINDOWS = 12;

/** One synthetic ten-second window, a line of `records.jsonl`. */
export interface EcgRecord {
  /** Record identifier. */
  readonly id: string;
  /** The person, who has {@link ECG_WINDOWS} windows. */
  readonly patient: string;
  /** Part of the federation. */
  readonly site: string;
  /** Row of the signal array. */
  readonly ecg: number;
  /** Lead name. */
  readonly lead: string;
  /** Rhythm labels; nobody has a pacemaker. */
  readonly labels: { readonly pvc: 0 | 1; readonly atrial_fibrillation: 0 | 1; readonly paced: 0 };
}

/** Irregular atrial activity of fibrillation: 4 to 8 Hz, about 0.05 mV, with a drifting amplitude. */
function fibrillationWaves(random: SeededRandom): (time: number) => number {
  const [frequency, phase] = [4 + 4 * random.next(), 2 * Math.PI * random.next()];
  const drift = 0.3 + 0.4 * random.next();
  return (time) =>
    0.05 * (1 + 0.5 * Math.sin(2 * Math.PI * drift * time)) *
    Math.sin(2 * Math.PI * frequency * time + phase);
}

/** One window in microvolt. */
function synthesizeWindow(
  random: SeededRandom,
  person: EcgPerson,
  noiseMicrovolt: number,
  kind: { readonly ectopic: boolean; readonly fibrillating: boolean },
): Int16Array {
  const lead = 0.5 * random.next() * person.meanRr;
  // Start in the middle of a beat, so that windows are not aligned on an R peak.
  const skip = Math.round(lead * ECG_RATE_HZ);
  const beats = rhythm(random, person, ECG_SECONDS + 1, kind);
  const z = integrateEcg(beats, ECG_SECONDS + 1, ECG_RATE_HZ, person.breathsPerSecond);
  const atrial = kind.fibrillating ? fibrillationWaves(random) : () => 0;
  const [wander, phase] = [60 * random.next(), 2 * Math.PI * random.next()];
  return Int16Array.from({ length: ECG_SECONDS * ECG_RATE_HZ }, (_, i) => {
    const time = i / ECG_RATE_HZ;
    const millivolt = z[i + skip] * person.leadGain + atrial(time);
    const baseline = wander * Math.sin(2 * Math.PI * 0.15 * time + phase);
    return clamp(Math.round(1000 * millivolt + baseline + noiseMicrovolt * random.normal()), -32768, 32767);
  });
}

/** How many of the first `number + 1` people have a trait of this share: the trait is spread evenly over them. */
const hasTrait = (number: number, share: number, offset: number): boolean =>
  Math.floor((number + 1) * share + offset) > Math.floor(number * share + offset);

/** All windows of `people` synthetic people of one part, and their samples [windows, 1000, 1]. */
export function synthesizeEcg(
  seed: number,
  profile: SiteProfile,
  people: number,
): { records: EcgRecord[]; samples: Int16Array } {
  const length = ECG_SECONDS * ECG_RATE_HZ;
  const samples = new Int16Array(people * ECG_WINDOWS * length);
  const records: EcgRecord[] = [];
  for (let number = 0; number < people; number++) {
    const random = streamOf(seed, profile.folder, "ecg", number);
    const person = drawEcgPerson(random, {
      ectopy: hasTrait(number, profile.ectopyRate, 0.5),
      fibrillation: hasTrait(number, profile.fibrillationRate, 0.7),
    });
    const patient = `syn-${profile.prefix}-ecg-${String(number).padStart(4, "0")}`;
    for (let window = 0; window < ECG_WINDOWS; window++) {
      const kind = {
        ectopic: random.next() < person.ectopy,
        fibrillating: random.next() < person.fibrillation,
      };
      const row = records.length;
      samples.set(synthesizeWindow(random, person, profile.signalNoise, kind), row * length);
      records.push({
        id: `${patient}@${window * 2 * ECG_SECONDS}s`,
        patient,
        site: profile.site,
        ecg: row,
        lead: "MLII",
        labels: { pvc: kind.ectopic ? 1 : 0, atrial_fibrillation: kind.fibrillating ? 1 : 0, paced: 0 },
      });
    }
  }
  return { records, samples };
}
