import type { SeededRandom } from "../../tensor/seeded_random.ts";
import type { IcuState } from "./icu_state.ts";
import { clamp, rounded } from "./_stream.ts";

/** Loadings of a laboratory value on the organ states, in its own standard deviations. */
interface Loadings {
  readonly circulation?: number;
  readonly lungs?: number;
  readonly kidneys?: number;
  readonly infection?: number;
  readonly severity?: number;
}

/** One laboratory test: how often it is done, where healthy values lie, and how illness moves it. */
interface LabTest {
  readonly name: string;
  readonly doneShare: number;
  /** `log`: median and standard deviation of the logarithm; `linear`: mean and standard deviation. */
  readonly scale: "linear" | "log";
  readonly centre: number;
  readonly spread: number;
  readonly low: number;
  readonly high: number;
  readonly decimals: number;
  readonly loadings: Loadings;
}

const lab = (
  name: string,
  doneShare: number,
  scale: "linear" | "log",
  [centre, spread]: readonly [number, number],
  [low, high, decimals]: readonly [number, number, number],
  loadings: Loadings = {},
): LabTest => ({ name, doneShare, scale, centre, spread, low, high, decimals, loadings });

/** Reference ranges are the usual adult ones; units as in the eICU database (mg/dL, mmol/L, g/dL, K/uL, mmHg). */
const LABS: readonly LabTest[] = [
  lab("alb", 0.45, "linear", [3, 0.6], [1, 5.5, 1], { severity: -0.5, infection: -0.2 }),
  lab("alp", 0.4, "log", [80, 0.45], [20, 900, 0]),
  lab("alt", 0.4, "log", [30, 0.8], [5, 6000, 0], { circulation: 0.3 }),
  lab("ast", 0.4, "log", [35, 0.85], [8, 9000, 0], { circulation: 0.4 }),
  lab("be", 0.35, "linear", [0, 4.5], [-25, 20, 0], { circulation: -0.6, kidneys: -0.3 }),
  lab("bicar", 0.8, "linear", [25, 4], [5, 45, 0], { circulation: -0.5, kidneys: -0.4, lungs: 0.1 }),
  lab("bili", 0.4, "log", [0.7, 0.7], [0.1, 25, 1], { severity: 0.2 }),
  lab("bili_dir", 0.08, "log", [0.2, 0.8], [0, 12, 1]),
  lab("bnd", 0.15, "log", [6, 0.8], [0, 50, 0], { infection: 0.6 }),
  lab("bun", 0.9, "log", [19, 0.5], [2, 180, 0], { kidneys: 0.85 }),
  lab("ca", 0.85, "linear", [8.4, 0.7], [5, 13, 1]),
  lab("cai", 0.05, "linear", [1.15, 0.09], [0.7, 1.7, 2]),
  lab("ck", 0.15, "log", [180, 1.1], [20, 90000, 0]),
  lab("ckmb", 0.12, "log", [5, 1], [0.3, 300, 1]),
  lab("cl", 0.85, "linear", [104, 5.5], [75, 130, 0]),
  lab("crea", 0.9, "log", [1, 0.42], [0.2, 15, 2], { kidneys: 0.95 }),
  lab("crp", 0.05, "log", [80, 0.9], [1, 700, 0], { infection: 0.8 }),
  lab("fgn", 0.06, "linear", [360, 120], [60, 900, 0], { infection: 0.4 }),
  lab("glu", 0.9, "log", [128, 0.35], [30, 700, 0], { severity: 0.2 }),
  lab("hgb", 0.85, "linear", [11.3, 2.2], [4, 19, 1], { severity: -0.2 }),
  lab("inr_pt", 0.4, "log", [1.25, 0.3], [0.8, 15, 1], { circulation: 0.3 }),
  lab("k", 0.9, "linear", [4.1, 0.55], [2.2, 7.8, 1], { kidneys: 0.45 }),
  lab("lact", 0.45, "log", [1.5, 0.45], [0.3, 20, 1], { circulation: 0.9, severity: 0.3 }),
  lab("lymph", 0.55, "log", [10, 0.7], [0, 60, 1], { infection: -0.5 }),
  lab("mch", 0.8, "linear", [30, 2.3], [18, 42, 1]),
  lab("mchc", 0.8, "linear", [33, 1.3], [27, 38, 1]),
  lab("mcv", 0.8, "linear", [91, 6.5], [60, 125, 1]),
  lab("methb", 0.04, "log", [0.4, 0.6], [0, 5, 1]),
  lab("mg", 0.5, "linear", [1.95, 0.3], [0.8, 4.5, 1], { kidneys: 0.2 }),
  lab("na", 0.9, "linear", [138, 4.8], [110, 165, 0]),
  lab("neut", 0.5, "linear", [76, 13], [1, 99, 1], { infection: 0.5 }),
  lab("pco2", 0.45, "log", [41, 0.24], [15, 130, 0], { lungs: 0.5 }),
  lab("ph", 0.45, "linear", [7.38, 0.07], [6.8, 7.65, 2], { lungs: -0.35, circulation: -0.5 }),
  lab("phos", 0.35, "linear", [3.4, 1.1], [0.8, 13, 1], { kidneys: 0.5 }),
  lab("plt", 0.8, "linear", [205, 80], [5, 700, 0], { severity: -0.25 }),
  lab("po2", 0.45, "log", [105, 0.4], [30, 520, 0], { lungs: -0.55 }),
  lab("ptt", 0.25, "log", [34, 0.35], [20, 200, 1]),
  lab("tnt", 0.1, "log", [0.06, 1.1], [0.01, 10, 2]),
  lab("wbc", 0.85, "log", [10, 0.42], [0.3, 60, 1], { infection: 0.6 }),
];

/** Columns of the laboratory vector: first and last value of the day for each test. */
export const LAB_CHANNELS: readonly string[] = LABS.flatMap(({ name }) => [`${name}_first`, `${name}_last`]);

/** Blood gases and lactate are taken together, and oftener from ventilated patients. */
const ARTERIAL = new Set(["be", "lact", "pco2", "ph", "po2", "methb", "cai"]);

/** Laboratory values of the first day in the order of {@link LAB_CHANNELS}, null = not done. */
export function synthesizeLabs(random: SeededRandom, state: IcuState): (number | null)[] {
  const arterial = random.next() < (state.ventilated ? 0.85 : 0.35);
  return LABS.flatMap((test) => {
    const done = random.next() < test.doneShare / (ARTERIAL.has(test.name) ? 0.5 : 1);
    if (!done || (ARTERIAL.has(test.name) && !arterial)) return [null, null];
    const moved = Object.entries(test.loadings)
      .reduce((sum, [organ, loading]) => sum + loading * state[organ as keyof Loadings], 0);
    const own = random.normal();
    return [0, 1].map((repeat) => {
      const deviation = moved + 0.75 * own + 0.25 * repeat * random.normal();
      const value = test.scale === "log"
        ? test.centre * Math.exp(test.spread * deviation)
        : test.centre + test.spread * deviation;
      return rounded(clamp(value, test.low, test.high), test.decimals);
    });
  });
}
