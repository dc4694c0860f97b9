import { composeSite, createSpec, type LocalModelSpec } from "../../src/local/mod.ts";

/** A manifest of one set with one task on a vector of laboratory values. */
export const ICU_MANIFEST = {
  format: "fedkim-dataset/1",
  name: "icu",
  records: "records.jsonl",
  patientField: "patient",
  privacyUnit: "patient",
  licence: "CC0-1.0",
  citation: "none",
  modalities: { labs: { kind: "vector", field: "labs", channels: ["lactate", "creatinine"] } },
  tasks: [{
    name: "icu_shock",
    type: "binary",
    label: "labels.shock",
    question: "Is the patient in shock?",
    description: "Shock detection.",
    modalities: ["labs"],
    modalityDescription: "Laboratory results.",
    role: "train",
  }],
} as const;

/** A local model for that set. */
export function icuSpec(): LocalModelSpec {
  const set = { dir: "public/icu", records: [], manifest: ICU_MANIFEST };
  return createSpec(composeSite("public", "public", [set]), ["icu_shock"]);
}
