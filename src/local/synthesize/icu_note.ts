import type { SeededRandom } from "../../tensor/seeded_random.ts";
import type { AdmissionGroup, IcuPatient, IcuState } from "./icu_state.ts";
import { pick } from "./_stream.ts";

const DIAGNOSES: Readonly<Record<AdmissionGroup, readonly string[]>> = {
  sepsis: ["Sepsis, pulmonary", "Sepsis, renal or urinary tract", "Sepsis, gastrointestinal"],
  respiratory: ["Pneumonia, bacterial", "Emphysema or bronchitis", "Respiratory arrest"],
  cardiac: ["Acute myocardial infarction", "Congestive heart failure", "Rhythm disturbance, atrial"],
  surgical: ["Coronary bypass graft", "Colon resection", "Hip replacement, total"],
  neurologic: ["Stroke, ischaemic", "Seizures, primary", "Overdose, sedative"],
  renal: ["Acute renal failure", "Diabetic ketoacidosis", "Chronic renal failure, dialysis"],
};

const ARRIVALS = ["the emergency department", "the ward", "the operating room", "another hospital"] as const;

/** An admission note of two or three short sentences, or null where none was written. */
export function synthesizeNote(random: SeededRandom, patient: IcuPatient, state: IcuState): string | null {
  const from = state.group === "surgical" ? "the operating room" : pick(random, ARRIVALS);
  const sentences = [`${pick(random, DIAGNOSES[state.group])}.`, `Admitted from ${from}.`];
  const history: string[] = [];
  if (patient.chronicKidney > 1) history.push("chronic kidney disease");
  if (patient.chronicLung > 1) history.push("COPD");
  if (random.next() < 0.3) history.push("hypertension requiring treatment");
  if (random.next() < 0.2) history.push("diabetes on insulin");
  sentences.push(history.length > 0 ? `History of ${history.join(", ")}.` : "No known health problems.");
  if (state.severity > 1.2 && random.next() < 0.6) sentences.push("Critically ill on arrival.");
  return random.next() < 0.04 ? null : sentences.join(" ");
}
