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
  readonly variants: readonly Method[];
  /** FedProx's mu by variant, for the study of the local heads. */
  readonly proximal?: readonly number[];
}

const AT_8: Setting = { backbone: "distributed", epsilon: "8" };

function fedkim(name: string, config: Partial<InjectionConfig>): Method {
  return { name, config: { ...FEDKIM.config, ...config } };
}

/** All studies, in the order in which their answers were needed. */
export const STUDIES: readonly Study[] = [
  {
    name: "recipe",
    question: "How much of the federated heads' knowledge arrives, and what brings it over?",
    setting: AT_8,
    variants: [
      { name: "labels alone, tasks as large as they are", config: {} },
      FEDKIM,
      fedkim("learning rate 0.002", { learningRate: 2e-3 }),
      fedkim("label and teacher (0.8)", { distillation: 0.8 }),
    ],
  },
  {
    name: "steps",
    question: "With the teacher alone: how should tasks be mixed, and steps be cut?",
    setting: AT_8,
    variants: [
      fedkim("tasks as large as they are", {
        distillation: 1,
        mixing: { kind: "proportional" },
        learningRate: 2e-3,
      }),
      fedkim("tasks alike", { distillation: 1, learningRate: 2e-3 }),
      fedkim("tasks alike, batches of 16", { distillation: 1, learningRate: 2e-3, batchSize: 16 }),
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
