import { DEFAULT_TRAINING } from "../local/mod.ts";
import type { AggregatorConfig } from "./config.ts";
import type { ServerOptimizerConfig } from "./server_optimizer.ts";

/** The server optimizer that a configuration asks for, over a schedule of `steps`. */
export function serverOptimizerOf(config: AggregatorConfig, steps: number): ServerOptimizerConfig {
  return {
    name: config.optimizer.name,
    learningRate: config.optimizer.learningRate ?? DEFAULT_TRAINING.learningRate,
    beta1: 0.9,
    beta2: 0.99,
    adaptivity: 1e-8,
    anchorDecay: config.optimizer.anchorDecay,
    decaySteps: steps,
  };
}
