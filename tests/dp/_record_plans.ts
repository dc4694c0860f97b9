import {
  createPlan,
  type DpPlanRequest,
  encodeUpdate,
  groupEvent,
  planHash,
  viewGuarantees,
} from "../../src/dp/mod.ts";
import { coinCounts } from "../../src/dp/plan/_coin_counts.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { seededBytes } from "./_helpers.ts";
import { bitsOf, type Figures } from "./_record.ts";

const PLANS: Readonly<Record<string, DpPlanRequest>> = {
  strict: {
    populations: [
      { name: "icu", unit: "patient", samplingRate: 0.05, maxGradNorm: 1 },
      { name: "ecg", unit: "record", samplingRate: 0.02, maxGradNorm: 2, maxSitesPerUnit: 2 },
    ],
    setsAreDisjoint: true,
    neighboring: "add_or_remove_one",
    steps: 20,
    dimension: 300,
    cohort: { n: 4, nMin: 3, colluders: 1 },
    maxUnitsPerStep: 1000,
    delta: 1e-5,
    target: { epsilon: 4 },
  },
  default: {
    populations: [
      { name: "icu", unit: "patient", samplingRate: 0.05, maxGradNorm: 1 },
      { name: "all", unit: "site", samplingRate: 1, maxGradNorm: 1 },
    ],
    setsAreDisjoint: false,
    neighboring: "add_or_remove_one",
    steps: 3,
    dimension: 70_000,
    cohort: { n: 9, nMin: 7, colluders: 1 },
    profile: { type: "default", threshold: 6 },
    maxUnitsPerStep: 60,
    delta: 1e-6,
    target: { noiseMultiplier: 2.25 },
    floatSlack: 1e-4,
  },
  local: {
    populations: [{ name: "icu", unit: "image", samplingRate: 0.1, maxGradNorm: 1 }],
    setsAreDisjoint: true,
    neighboring: "replace_one",
    steps: 4,
    dimension: 10,
    cohort: { n: 4, nMin: 3, colluders: 1 },
    profile: { type: "local", stepsPerRound: 5 },
    maxUnitsPerStep: 100,
    delta: 1e-6,
    target: { noiseMultiplier: 1.75 },
  },
};

/** Plans and what they promise, to ten digits. */
export const FIGURES: Figures = {
  ...Object.fromEntries(
    Object.entries(PLANS).map((
      [name, request],
    ) => [`a plan of the profile ${name}`, () => createPlan(request)]),
  ),
  "what each looker sees of a plan": () =>
    Object.values(PLANS).map((request) =>
      viewGuarantees(createPlan({ ...request, target: { noiseMultiplier: 2 } }), 3)
    ),
  "how many of many coins come up": () =>
    [[[1025, 0.3]], [[1024, 0.05]], [[1500, 0.1], [900, 0.6], [2, 1]], [[70_000, 0.002]]].map((groups) =>
      coinCounts(groups.flatMap(([count, chance]) => new Array<number>(count).fill(chance)))
    ),
  "events of groups": () =>
    groupEvent(createPlan({ ...PLANS.strict, target: { noiseMultiplier: 2 } }), "ecg", 2, 5),
  "an update in the ring": () => {
    const plan = createPlan({ ...PLANS.strict, target: { noiseMultiplier: 2 } });
    const random = new SeededRandom(8);
    const sum = new Float64Array(300).map(() => 5 * random.normal());
    return [planHash(plan).length, bitsOf(encodeUpdate(plan, sum, seededBytes(9)))];
  },
};
