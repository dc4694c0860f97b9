import { synthesizeInputs, synthesizeOutputs } from "./icu_fluids.ts";
import { synthesizeLabs } from "./icu_labs.ts";
import { synthesizeNote } from "./icu_note.ts";
import { drawIcuLabels, drawIcuPatient, drawIcuState, type IcuLabels } from "./icu_state.ts";
import { synthesizeVitals } from "./icu_vitals.ts";
import type { SiteProfile } from "./site_profile.ts";
import { pick, streamOf } from "./_stream.ts";

/** One synthetic intensive-care stay, a line of `records.jsonl`. */
export interface IcuRecord {
  /** Record identifier. */
  readonly id: string;
  /** Patient identifier; a patient has one to four stays. */
  readonly patient: string;
  /** Part of the federation. */
  readonly site: string;
  /** Hospital number. */
  readonly hospital: number;
  /** Age, years. */
  readonly age: number;
  /** Sex. */
  readonly sex: "Female" | "Male";
  /** Hourly vital signs [24][7], null = not measured. */
  readonly vitals: readonly (readonly (number | null)[])[];
  /** Laboratory values, null = not done. */
  readonly labs: readonly (number | null)[];
  /** Fluid and drug inputs, null = not charted. */
  readonly inputs: readonly (number | null)[];
  /** Fluid outputs, null = not charted. */
  readonly outputs: readonly (number | null)[];
  /** Admission note, null = none. */
  readonly note: string | null;
  /** Outcomes. */
  readonly labels: IcuLabels;
}

/** Chance that a patient comes back after a stay. */
const FURTHER_STAY = 0.24;
/** Most stays of one patient. */
const MOST_STAYS = 4;

/** All stays of `patients` synthetic patients of one part. */
export function synthesizeIcu(seed: number, profile: SiteProfile, patients: number): IcuRecord[] {
  const records: IcuRecord[] = [];
  for (let number = 0; number < patients; number++) {
    const random = streamOf(seed, profile.folder, "icu", number);
    const patient = drawIcuPatient(random, profile, number);
    const hospital = pick(random, profile.hospitals);
    let stay = 0;
    do {
      const state = drawIcuState(random, patient, profile);
      records.push({
        id: `${patient.id}-${++stay}`,
        patient: patient.id,
        site: profile.site,
        hospital,
        age: patient.age,
        sex: patient.sex,
        vitals: synthesizeVitals(random, state),
        labs: synthesizeLabs(random, state),
        inputs: synthesizeInputs(random, state),
        outputs: synthesizeOutputs(random, state),
        note: synthesizeNote(random, patient, state),
        labels: drawIcuLabels(random, patient, state),
      });
    } while (stay < MOST_STAYS && random.next() < FURTHER_STAY);
  }
  return records;
}
