/** What makes the patients and machines of one part of the federation differ from another's. */
export interface SiteProfile {
  /** Folder of the part, e.g. `site-midwest`. */
  readonly folder: string;
  /** The `site` field of its records. */
  readonly site: string;
  /** Prefix of its patient identifiers; differs for every part, so no patient is in two. */
  readonly prefix: string;
  /** Hospital numbers its stays are dealt to. */
  readonly hospitals: readonly number[];
  /** Shift of the mean severity of ICU stays, in standard deviations. */
  readonly severityShift: number;
  /** Shift of the mean age, years. */
  readonly ageShift: number;
  /** Share of chest patients with pneumonia. */
  readonly pneumoniaRate: number;
  /** Brightness added by its X-ray machine, grey levels. */
  readonly exposure: number;
  /** Standard deviation of image noise, grey levels. */
  readonly imageNoise: number;
  /** Share of ECG people with ventricular ectopy. */
  readonly ectopyRate: number;
  /** Share of ECG people with atrial fibrillation. */
  readonly fibrillationRate: number;
  /** Standard deviation of the ECG amplifier's noise, microvolt. */
  readonly signalNoise: number;
}

/** Values that the parts share unless they say otherwise. */
const USUAL = {
  severityShift: 0,
  ageShift: 0,
  pneumoniaRate: 0.5,
  exposure: 0,
  imageNoise: 7,
  ectopyRate: 0.45,
  fibrillationRate: 0.25,
  signalNoise: 18,
} as const;

/** The four hospitals, the server's public set and the common test set. */
export const SITE_PROFILES: readonly SiteProfile[] = [
  { ...USUAL, folder: "site-midwest", site: "midwest", prefix: "mw", hospitals: [11, 12, 13] },
  {
    ...USUAL,
    folder: "site-south",
    site: "south",
    prefix: "so",
    hospitals: [21, 22, 23],
    severityShift: 0.2,
    ageShift: 2,
    exposure: 10,
    fibrillationRate: 0.2,
  },
  {
    ...USUAL,
    folder: "site-west",
    site: "west",
    prefix: "we",
    hospitals: [31, 32],
    severityShift: -0.15,
    ageShift: -3,
    pneumoniaRate: 0.4,
    imageNoise: 9,
    ectopyRate: 0.4,
  },
  {
    ...USUAL,
    folder: "site-northeast",
    site: "northeast",
    prefix: "ne",
    hospitals: [41],
    severityShift: 0.3,
    ageShift: 1,
    pneumoniaRate: 0.55,
    exposure: -8,
    signalNoise: 26,
  },
  { ...USUAL, folder: "public", site: "public", prefix: "pu", hospitals: [91, 92] },
  { ...USUAL, folder: "test", site: "test", prefix: "te", hospitals: [11, 21, 31, 41] },
];
