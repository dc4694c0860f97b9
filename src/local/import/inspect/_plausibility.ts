/** What is plausible for a quantity in one unit. */
interface Plausible {
  /** Name of the quantity. */
  readonly quantity: string;
  /** Names of channels that mean it. */
  readonly channel: RegExp;
  /** The unit. */
  readonly unit: string;
  /** Where the median of a cohort lies. */
  readonly median: readonly [number, number];
  /** What a single value cannot leave. */
  readonly hard: readonly [number, number];
}

const row = (
  quantity: string,
  channel: RegExp,
  unit: string,
  median: readonly [number, number],
  hard: readonly [number, number],
): Plausible => ({ quantity, channel, unit, median, hard });

const TEMPERATURE = /^(body_?)?temp(erature)?$/;
const SATURATION = /^(spo2|sao2|sp_?o2|o2_?sat|oxygen_?saturation)$/;
const SYSTOLIC = /^(sbp|nisbp|systolic(_?bp|_blood_pressure)?)$/;
const DIASTOLIC = /^(dbp|nidbp|diastolic(_?bp|_blood_pressure)?)$/;
const MEAN_BP = /^(mbp|map|mean_?bp|mean_arterial_pressure)$/;
const GLUCOSE = /^(glu|glucose)$/;
const CREATININE = /^(crea|creatinine)$/;
const HAEMOGLOBIN = /^(hgb|hb|ha?emoglobin)$/;

/** Ranges wide enough for intensive care; a median outside them is nearly always another unit. */
const TABLE: readonly Plausible[] = [
  row("temperature", TEMPERATURE, "degC", [30, 42], [10, 50]),
  row("temperature", TEMPERATURE, "degF", [86, 108], [50, 122]),
  row("oxygen saturation", SATURATION, "%", [50, 100], [0, 100]),
  row("oxygen saturation", SATURATION, "fraction", [0.5, 1], [0, 1]),
  row("heart rate", /^(hr|heart_?rate|pulse(_?rate)?)$/, "/min", [40, 200], [0, 400]),
  row("respiratory rate", /^(rr|resp|respiration|respiratory_?rate|resp_?rate)$/, "/min", [6, 60], [0, 200]),
  row("systolic pressure", SYSTOLIC, "mmHg", [50, 220], [0, 370]),
  row("systolic pressure", SYSTOLIC, "kPa", [7, 29], [0, 50]),
  row("diastolic pressure", DIASTOLIC, "mmHg", [25, 140], [0, 300]),
  row("diastolic pressure", DIASTOLIC, "kPa", [3, 18], [0, 40]),
  row("mean pressure", MEAN_BP, "mmHg", [35, 170], [0, 330]),
  row("mean pressure", MEAN_BP, "kPa", [5, 23], [0, 44]),
  row("glucose", GLUCOSE, "mg/dL", [40, 500], [0, 3000]),
  row("glucose", GLUCOSE, "mmol/L", [2, 28], [0, 170]),
  row("creatinine", CREATININE, "mg/dL", [0.2, 10], [0, 60]),
  row("creatinine", CREATININE, "umol/L", [20, 900], [0, 5300]),
  row("haemoglobin", HAEMOGLOBIN, "g/dL", [5, 20], [0, 30]),
  row("haemoglobin", HAEMOGLOBIN, "g/L", [50, 200], [0, 300]),
  row("sodium", /^(na|sodium)$/, "mmol/L", [110, 170], [50, 250]),
  row("potassium", /^(k|potassium)$/, "mmol/L", [2, 8], [0, 20]),
  row("weight", /^(weight|body_?weight)$/, "kg", [2, 200], [0, 650]),
  row("height", /^(height|body_?height)$/, "cm", [40, 210], [20, 280]),
];

/** What a channel holds, judged by its name. */
export interface Judgement {
  /** The stated unit's range that no single value leaves; undefined for an unknown unit. */
  readonly hard: readonly [number, number] | undefined;
  /** Judges the median; a sentence when it does not fit the unit, and undefined when it does. */
  readonly judge: (median: number) => string | undefined;
}

/**
 * What is known about a channel; undefined for channels that no rule knows.
 *
 * @param channel its name; endings such as `_first` or `_mean` are ignored
 * @param unit its unit, if stated
 */
export function plausibility(channel: string, unit: string | undefined): Judgement | undefined {
  const name = channel.toLowerCase().replace(/_(first|last|mean|min|max|median)$/, "");
  const rows = TABLE.filter((entry) => entry.channel.test(name));
  if (rows.length === 0) return undefined;
  const stated = unit === undefined || unit === "" ? rows[0] : rows.find((entry) => entry.unit === unit);
  const inside = ([low, high]: readonly [number, number], value: number): boolean =>
    value >= low && value <= high;
  return {
    hard: stated?.hard,
    judge: (median) => {
      if (stated === undefined || inside(stated.median, median)) return undefined;
      const other = rows.find((entry) => entry !== stated && inside(entry.median, median));
      const shown = Number(median.toPrecision(3));
      return `a median of ${shown} is not a ${stated.quantity} in ${stated.unit}${
        other === undefined ? "" : `; it fits ${other.unit}`
      }`;
    },
  };
}
