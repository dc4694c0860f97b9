/** Columns of the hourly vital signs, with their units. */
export const VITAL_CHANNELS: readonly { readonly name: string; readonly unit: string }[] = [
  { name: "heart_rate", unit: "/min" },
  { name: "systolic_bp", unit: "mmHg" },
  { name: "diastolic_bp", unit: "mmHg" },
  { name: "mean_bp", unit: "mmHg" },
  { name: "respiratory_rate", unit: "/min" },
  { name: "temperature", unit: "degC" },
  { name: "oxygen_saturation", unit: "%" },
];

/** Hours of vital signs in a record. */
export const VITAL_STEPS = 24;

/** Drugs and fluids given by infusion; each a 0/1 column of the inputs. */
export const INFUSIONS: readonly string[] = [
  "norepi",
  "vasopressin",
  "epinephrine",
  "dopamine",
  "dobutamine",
  "phenylephrine",
  "propofol",
  "fentanyl",
  "midazolam",
  "dexmed",
  "insulin",
  "heparin",
  "amiodarone",
  "nicardipine",
  "diltiazem",
  "crystalloid",
];

/** The four quarters of the first day, as they stand in column names. */
export const QUARTERS: readonly string[] = ["0_6h", "6_12h", "12_18h", "18_24h"];

/** Columns of the inputs: intake of each quarter (ml), then the infusions. */
export const INPUT_CHANNELS: readonly string[] = [
  ...QUARTERS.map((quarter) => `intake_ml_${quarter}`),
  ...INFUSIONS.map((drug) => `infusion_${drug}`),
];

/** Columns of the outputs: all output, then urine, of each quarter (ml). */
export const OUTPUT_CHANNELS: readonly string[] = [
  ...QUARTERS.map((quarter) => `output_ml_${quarter}`),
  ...QUARTERS.map((quarter) => `urine_ml_${quarter}`),
];
