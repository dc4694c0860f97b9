import type { SeededRandom } from "../../tensor/seeded_random.ts";
import type { SiteProfile } from "./site_profile.ts";
import { clamp, logistic } from "./_stream.ts";

/** Who a synthetic ICU patient is; all their stays share it. */
export interface IcuPatient {
  /** Identifier, unique in the federation. */
  readonly id: string;
  /** Age in years, 18 to 90. */
  readonly age: number;
  /** Sex, as the records spell it. */
  readonly sex: "Female" | "Male";
  /** Chronic kidney disease, standard deviations above the mean. */
  readonly chronicKidney: number;
  /** Chronic lung disease, standard deviations above the mean. */
  readonly chronicLung: number;
}

/** Why a stay began; it shifts the organ states and chooses the words of the note. */
export type AdmissionGroup = "sepsis" | "respiratory" | "cardiac" | "surgical" | "neurologic" | "renal";

/** Hidden organ states of one stay, in standard deviations; larger is worse. They drive every value and label. */
export interface IcuState {
  /** Reason of admission. */
  readonly group: AdmissionGroup;
  /** Overall severity of illness. */
  readonly severity: number;
  /** Failure of the circulation. */
  readonly circulation: number;
  /** Failure of the lungs. */
  readonly lungs: number;
  /** Failure of the kidneys. */
  readonly kidneys: number;
  /** Infection. */
  readonly infection: number;
  /** Mechanically ventilated on the first day. */
  readonly ventilated: boolean;
}

/** Outcome labels of a stay; null where the outcome was not recorded. */
export interface IcuLabels {
  /** Dies in the unit. */
  readonly mortality: 0 | 1 | null;
  /** Mechanically ventilated on day one. */
  readonly ventilated_day1: 0 | 1 | null;
  /** Diagnosed with shock. */
  readonly shock: 0 | 1;
  /** Diagnosed with respiratory failure. */
  readonly respiratory_failure: 0 | 1;
  /** Diagnosed with pneumonia. */
  readonly pneumonia: 0 | 1;
  /** Acute kidney injury after the first day. */
  readonly kidney_injury_after_24h: 0 | 1 | null;
  /** Stay longer than 72 hours. */
  readonly stay_over_72h: 0 | 1;
}

/** Share of admissions and organ shifts by group: [weight, circulation, lungs, kidneys, infection]. */
const GROUPS: readonly (readonly [AdmissionGroup, number, number, number, number, number])[] = [
  ["sepsis", 0.2, 0.9, 0.3, 0.5, 1.6],
  ["respiratory", 0.2, 0, 1.1, 0, 0.6],
  ["cardiac", 0.22, 0.4, 0, 0.1, -0.3],
  ["surgical", 0.18, -0.2, 0, -0.2, -0.2],
  ["neurologic", 0.13, -0.4, -0.1, -0.3, -0.4],
  ["renal", 0.07, 0, 0, 1.5, 0],
];

/** Draws a patient of a part. @param number counts the patients of that part */
export function drawIcuPatient(random: SeededRandom, profile: SiteProfile, number: number): IcuPatient {
  return {
    id: `syn-${profile.prefix}-icu-${String(number).padStart(5, "0")}`,
    age: Math.round(clamp(64 + profile.ageShift + 15 * random.normal(), 18, 90)),
    sex: random.next() < 0.46 ? "Female" : "Male",
    chronicKidney: random.normal(),
    chronicLung: random.normal(),
  };
}

/** Draws the hidden organ states of one stay. */
export function drawIcuState(random: SeededRandom, patient: IcuPatient, profile: SiteProfile): IcuState {
  const severity = profile.severityShift + random.normal();
  let draw = random.next();
  const row = GROUPS.find(([, weight]) => (draw -= weight) < 0) ?? GROUPS[0];
  const [group, , circulation, lungs, kidneys, infection] = row;
  const organ = (shift: number, chronic: number): number =>
    shift + 0.55 * severity + 0.35 * chronic + 0.7 * random.normal();
  const state = {
    group,
    severity,
    circulation: organ(circulation, 0),
    lungs: organ(lungs, patient.chronicLung),
    kidneys: organ(kidneys, patient.chronicKidney),
    infection: infection + 0.8 * random.normal(),
  };
  const drive = -1.5 + 1.5 * state.lungs + 0.7 * severity + (group === "surgical" ? 1 : 0);
  return { ...state, ventilated: random.next() < logistic(1.2 * drive) };
}

/**
 * Draws the labels from the hidden states. The directions are those of the published severity scores (APACHE IV,
 * SOFA, KDIGO): failing circulation, lungs and kidneys, and age, raise the risks.
 */
export function drawIcuLabels(random: SeededRandom, patient: IcuPatient, state: IcuState): IcuLabels {
  const drawn = (logit: number): 0 | 1 => random.next() < logistic(logit) ? 1 : 0;
  const recorded = <T>(share: number, value: T): T | null => random.next() < share ? value : null;
  const { severity, circulation, lungs, kidneys, infection } = state;
  const risk = -3.2 + 1.4 * severity + 0.9 * circulation + 0.4 * kidneys + 0.03 * (patient.age - 64);
  return {
    mortality: recorded(0.8, drawn(risk)),
    ventilated_day1: recorded(0.92, state.ventilated ? 1 : 0),
    shock: drawn(-2.6 + 2.4 * circulation),
    respiratory_failure: drawn(-2.2 + 2.2 * lungs),
    pneumonia: drawn(-3.2 + 1.1 * lungs + 1.1 * infection),
    kidney_injury_after_24h: recorded(0.8, drawn(-2.6 + 2.2 * kidneys + 0.4 * circulation)),
    stay_over_72h: drawn(-1.4 + 1.1 * severity + 0.5 * lungs + (state.ventilated ? 0.9 : 0)),
  };
}
