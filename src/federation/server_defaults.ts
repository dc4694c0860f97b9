import { DEFAULT_TRAINING } from "../local/mod.ts";
import type { AggregatorConfig } from "./config.ts";
import type { ServerOptimizerConfig } from "./server_optimizer.ts";

/**
 * The server optimizer that a configuration asks for, over a schedule of `steps`. In `local` mode the default is
 * federated averaging, which takes the mean of the sites' models: a full step, the same in every round.
 */
export function serverOptimizerOf(config: AggregatorConfig, steps: number): ServerOptimizerConfig {
  const local = config.mode === "local";
  const name = config.optimizer.name ?? (local ? "fedavg" : "fedadam");
  const averages = name === "fedavg" || name === "fedprox";
  const full = local && averages;
  return {
    name,
    learningRate: config.optimizer.learningRate ?? (full ? 1 : DEFAULT_TRAINING.learningRate),
    beta1: averages ? 0 : 0.9,
    beta2: 0.99,
    adaptivity: 1e-8,
    anchorDecay: config.optimizer.anchorDecay,
    decaySteps: full ? 0 : steps,
  };
}
