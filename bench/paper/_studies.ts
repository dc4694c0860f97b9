import type { InjectionConfig } from "../../src/m3oe/mod.ts";
import { FEDKIM, type Method, METHODS, type Setting } from "./_settings.ts";

/** A question that public folds answer. */
export interface Study {
  readonly name: string;
  /** What is asked. */
  readonly question: string;
  readonly setting: Setting;
  /** A trained task that this study never trains, and judges as an unseen one. */
  readonly without?: string;
  /** For each fold a task that is left out everywhere in it, and judged as an unseen one beside the trained ones. */
  readonly leftOut?: readonly string[];
  readonly variants: readonly Method[];
  /** FedProx's mu by variant, for the study of the local heads. */
  readonly proximal?: readonly number[];
}

const AT_8: Setting = { backbone: "distributed", epsilon: "8" };

function fedkim(name: string, config: Partial<InjectionConfig>): Method {
  return { name, config: { ...FEDKIM.config, ...config } };
}

/** What earlier recipes had in common; none of them follows the present one. */
const TAUGHT: Partial<InjectionConfig> = { method: "fedkim", distillation: 1, mixing: { kind: "uniform" } };

/** An earlier recipe, in full. */
const EARLIER: Partial<InjectionConfig> = {
  ...TAUGHT,
  epochs: 4,
  batchSize: 32,
  learningRate: 3e-3,
};

/** The recipe before tokens were mixed one by one, in full. */
const BY_RECORDS: Partial<InjectionConfig> = {
  ...TAUGHT,
  teacherSpread: 1.5,
  teacherMixing: 0.25,
  epochs: 4,
  batchSize: 16,
  learningRate: 2e-3,
};

/** All studies, in the order in which their answers were needed. */
export const STUDIES: readonly Study[] = [
  {
    name: "recipe",
    question: "How much of the federated heads' knowledge arrives, and what brings it over?",
    setting: AT_8,
    variants: [
      fedkim("labels alone", { distillation: 0 }),
      fedkim("teacher as it is", { teacherSpread: 0, teacherMixing: 0 }),
      fedkim("teacher spread", { teacherMixing: 0 }),
      FEDKIM,
      fedkim("learning rate 0.003", { learningRate: 3e-3 }),
    ],
  },
  {
    name: "frozen recipe",
    question:
      "Is the recipe worse than an earlier or simpler one, on trained tasks or on one that was left out?",
    setting: AT_8,
    leftOut: ["icu_shock", "icu_shock", "icu_shock"],
    variants: [
      FEDKIM,
      { name: "teacher as it is, batches of 32, learning rate 0.003", config: EARLIER },
      fedkim("without teacherMixing", { teacherMixing: 0 }),
      { name: "the paper's form: labels alone", config: { method: "fedkim" } },
      {
        name: "spread teacher, batches of 32, learning rate 0.003",
        config: { ...EARLIER, teacherSpread: 1.5 },
      },
    ],
  },
  {
    name: "token mixing",
    question:
      "Does the teacher's plane, asked token by token, bring more of the heads over, and does it cost a left-out task?",
    setting: AT_8,
    leftOut: ["icu_shock", "icu_shock", "icu_shock"],
    variants: [FEDKIM, { name: "mixed by records, 4 epochs of batches of 16", config: BY_RECORDS }],
  },
  {
    name: "steps",
    question: "With the teacher alone: how should tasks be mixed, and steps be cut?",
    setting: AT_8,
    variants: [
      fedkim("tasks as large as they are", { mixing: { kind: "proportional" } }),
      fedkim("tasks alike", {}),
      fedkim("tasks alike, batches of 32", { batchSize: 32 }),
    ],
  },
  {
    name: "mixture",
    question: "Does the mixture pay, and what makes it pay?",
    setting: AT_8,
    variants: [
      ...METHODS,
      fedkim("decisive gate", { gateEntropy: 0.1, loadBalance: 0.1 }),
      fedkim("gate temperature 0.3", { gateTemperature: 0.3 }),
      fedkim("12 experts", { experts: 12 }),
    ],
  },
  {
    name: "leave out shock",
    question: "Which method answers a task that nothing was trained on (icu_shock, left out everywhere)?",
    setting: AT_8,
    without: "icu_shock",
    variants: [
      ...METHODS,
      fedkim("decisive gate", { gateEntropy: 0.1, loadBalance: 0.1 }),
      fedkim("labels alone", { distillation: 0 }),
    ],
  },
  {
    name: "FedProx",
    question: "How strong should FedProx pull? (local heads, epsilon 8)",
    setting: { backbone: "fedprox", epsilon: "8" },
    variants: [],
    proximal: [0, 0.01, 0.1, 1],
  },
];
