import type { InjectionConfig } from "../m3oe/mod.ts";

/**
 * How a federation injects, where that differs from the paper's form (`DEFAULT_INJECTION`). The federated task heads
 * teach: binary samples are trained on the answer that the federated head gives them (knowledge distillation, Hinton et
 * al. 2015), because a few hundred public labels alone lose what the sites' records taught. Chosen on folds of the
 * public data, see `docs/paper_experiments.md`.
 */
export const INJECTION_RECIPE: Partial<InjectionConfig> = {
  distillation: 1,
  mixing: { kind: "uniform" },
  teacherSpread: 1.5,
  teacherMixing: 0.25,
  teacherMixingUnit: "token",
  epochs: 8,
  batchSize: 16,
  learningRate: 2e-3,
};
