import type {
  DatasetManifest,
  ModalityManifest,
  PrivacyUnitName,
  TaskManifest,
} from "../../formats/dataset_manifest.ts";
import { CXR_SIDE } from "./cxr_set.ts";
import { ECG_RATE_HZ } from "./ecg_set.ts";
import { INPUT_CHANNELS, OUTPUT_CHANNELS, VITAL_CHANNELS, VITAL_STEPS } from "./icu_channels.ts";
import { LAB_CHANNELS } from "./icu_labs.ts";

/** The sets of a synthetic federation; each is a folder of every part. */
export const SET_NAMES = ["icu", "cxr", "ecg", "vqa"] as const;

/** Name of a synthetic set. */
export type SetName = typeof SET_NAMES[number];

/** What one set's manifest says beside the fields that all share. */
interface SetText {
  readonly privacyUnit: PrivacyUnitName;
  readonly source: string;
  readonly modalities: Readonly<Record<string, ModalityManifest>>;
  readonly tasks: readonly TaskManifest[];
}

const ICU_TASKS: readonly TaskManifest[] = [
  {
    name: "icu_mortality",
    type: "binary",
    label: "labels.mortality",
    question: "Based on these clinical features, will the patient die in the intensive care unit?",
    description: "Mortality prediction: whether an intensive-care patient dies, from the first 24 hours.",
    modalities: ["vitals", "labs"],
    modalityDescription: "Clinical features: hourly vital signs and laboratory results.",
    role: "train",
  },
  {
    name: "icu_ventilation",
    type: "binary",
    label: "labels.ventilated_day1",
    question: "Based on these clinical features, is the patient mechanically ventilated on the first day?",
    description:
      "Ventilation detection: whether an intensive-care patient is mechanically ventilated on day one.",
    modalities: ["labs", "inputs", "outputs"],
    modalityDescription: "Clinical features: laboratory results, fluid and drug inputs, and fluid outputs.",
    role: "train",
  },
  {
    name: "icu_shock",
    type: "binary",
    label: "labels.shock",
    question: "Based on these clinical features, is the patient in shock?",
    description: "Shock detection: whether an intensive-care patient is diagnosed with shock.",
    modalities: ["vitals", "labs"],
    modalityDescription: "Clinical features: hourly vital signs and laboratory results.",
    role: "train",
  },
  {
    name: "icu_respiratory_failure",
    type: "binary",
    label: "labels.respiratory_failure",
    question: "Based on these clinical features, does the patient have respiratory failure?",
    description: "Respiratory failure detection in an intensive-care patient.",
    modalities: ["vitals", "labs", "inputs", "outputs"],
    modalityDescription: "Clinical features: vital signs, laboratory results, inputs and outputs.",
    role: "unseen",
  },
  {
    name: "icu_kidney_injury",
    type: "binary",
    label: "labels.kidney_injury_after_24h",
    question: "Based on these clinical features, will acute kidney injury occur after the first day?",
    description: "Acute kidney injury prediction after the first 24 hours of intensive care.",
    modalities: ["vitals", "labs", "outputs"],
    modalityDescription: "Clinical features: vital signs, laboratory results and fluid outputs.",
    role: "unseen",
  },
  {
    name: "icu_long_stay",
    type: "binary",
    label: "labels.stay_over_72h",
    question:
      "Based on these clinical features, will the patient stay in intensive care for more than 72 hours?",
    description: "Length-of-stay prediction: whether an intensive-care stay lasts over 72 hours.",
    modalities: ["vitals", "labs", "note"],
    modalityDescription:
      "Clinical features: vital signs and laboratory results, with the admission note as text.",
    role: "unseen",
  },
];

const CXR_TASKS: readonly TaskManifest[] = [{
  name: "cxr_pneumonia",
  type: "binary",
  label: "labels.pneumonia",
  question: "Does this chest X-ray show pneumonia?",
  description: "Pneumonia detection on a chest X-ray.",
  modalities: ["image"],
  modalityDescription: "Image only: a frontal chest X-ray.",
  role: "train",
}];

const ECG_TASKS: readonly TaskManifest[] = [
  {
    name: "ecg_pvc",
    type: "binary",
    label: "labels.pvc",
    question: "Does this ECG contain premature ventricular contractions?",
    description: "Ectopic beat detection: premature ventricular contractions in a ten-second ECG.",
    modalities: ["ecg"],
    modalityDescription: "ECG only: one lead, ten seconds.",
    role: "train",
  },
  {
    name: "ecg_atrial_fibrillation",
    type: "binary",
    label: "labels.atrial_fibrillation",
    question: "Does this ECG show atrial fibrillation or flutter?",
    description: "Rhythm classification: atrial fibrillation or flutter in a ten-second ECG.",
    modalities: ["ecg"],
    modalityDescription: "ECG only: one lead, ten seconds.",
    role: "unseen",
  },
];

const VQA_TASKS: readonly TaskManifest[] = [
  {
    name: "vqa_chest_yesno",
    type: "binary",
    label: "labels.chest_yesno",
    question: "{question}",
    description: "Medical visual question answering: yes-or-no questions on a chest image.",
    modalities: ["image", "question"],
    modalityDescription: "Text and image: a question about a chest radiology image.",
    role: "train",
  },
  {
    name: "vqa_other_yesno",
    type: "binary",
    label: "labels.other_yesno",
    question: "{question}",
    description: "Medical visual question answering: yes-or-no questions on a head or abdomen image.",
    modalities: ["image", "question"],
    modalityDescription: "Text and image: a question about a head or abdomen radiology image.",
    role: "unseen",
  },
  {
    name: "vqa_open",
    type: "open",
    label: "labels.open_answer",
    question: "{question}",
    description: "Medical visual question answering: open questions on a radiology image.",
    modalities: ["image", "question"],
    modalityDescription: "Text and image: a question about a radiology image.",
    role: "unseen",
  },
];

const IMAGE = { kind: "image", array: "images.npy", field: "image", channels: 1 } as const;

const SETS: Readonly<Record<SetName, SetText>> = {
  icu: {
    privacyUnit: "patient",
    source: "hidden organ states drive AR(1) vital signs, laboratory values, fluids and outcomes",
    modalities: {
      vitals: {
        kind: "timeseries",
        field: "vitals",
        steps: VITAL_STEPS,
        stepSeconds: 3600,
        channels: VITAL_CHANNELS.map(({ name }) => name),
        units: VITAL_CHANNELS.map(({ unit }) => unit),
      },
      labs: { kind: "vector", field: "labs", channels: LAB_CHANNELS },
      inputs: { kind: "vector", field: "inputs", channels: INPUT_CHANNELS },
      outputs: { kind: "vector", field: "outputs", channels: OUTPUT_CHANNELS },
      note: { kind: "text", field: "note" },
    },
    tasks: ICU_TASKS,
  },
  cxr: {
    privacyUnit: "patient",
    source: `chest phantoms of ${CXR_SIDE} x ${CXR_SIDE} pixels`,
    modalities: { image: IMAGE },
    tasks: CXR_TASKS,
  },
  ecg: {
    privacyUnit: "record",
    source: "dynamical ECG model of McSharry, Clifford, Tarassenko and Smith 2003",
    modalities: {
      ecg: {
        kind: "signal",
        array: "ecg.npy",
        field: "ecg",
        sampleRateHz: ECG_RATE_HZ,
        unit: "uV",
        leads: 1,
      },
    },
    tasks: ECG_TASKS,
  },
  vqa: {
    privacyUnit: "image",
    source: "chest, head and abdomen phantoms with questions",
    modalities: { image: IMAGE, question: { kind: "text", field: "question" } },
    tasks: VQA_TASKS,
  },
};

/** The licence field of every synthetic manifest; readers may print it as the sign that nothing in it is real. */
export const SYNTHETIC_LICENCE = "CC0-1.0, synthetic";

/** The `dataset.json` of a synthetic set. */
export function manifestOf(name: SetName, seed: number): DatasetManifest {
  const { privacyUnit, source, modalities, tasks } = SETS[name];
  return {
    format: "fedkim-dataset/1",
    records: "records.jsonl",
    patientField: "patient",
    name,
    privacyUnit,
    licence: SYNTHETIC_LICENCE,
    modalities,
    tasks,
    citation: `SYNTHETIC, no real patient: ${source}; fedkim dataset synthesize, seed ${seed}`,
  };
}
