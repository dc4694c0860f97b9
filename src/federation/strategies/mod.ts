/**
 * What the server does with a sum: one small module for each rule, behind the one interface {@link Strategy}, which a
 * user of the library may implement too (`docs/how_to/write_a_strategy.md`).
 *
 * {@link fedAvg} and {@link fedProx} average, {@link fedAdam} and {@link fedYogi} adapt the step to every coordinate.
 * Step size, its decay and the pull to the public start are the same for all of them and live in `serverStep`.
 *
 * @module
 */
import type { AdaptiveOptions } from "./_adaptive.ts";
import { fedAdam } from "./fed_adam.ts";
import { fedAvg } from "./fed_avg.ts";
import { fedProx } from "./fed_prox.ts";
import { fedYogi } from "./fed_yogi.ts";
import type { Strategy } from "./strategy.ts";

export type { AdaptiveOptions } from "./_adaptive.ts";
export type { Strategy, StrategyStep } from "./strategy.ts";
export { fedAdam, fedAvg, fedProx, fedYogi };

/** Names of the strategies that a configuration may choose. */
export const STRATEGIES = ["fedavg", "fedprox", "fedadam", "fedyogi"] as const;

/** See {@link STRATEGIES}. */
export type StrategyName = typeof STRATEGIES[number];

/** A strategy by its name; `beta1` is the momentum of `fedavg`. */
export function strategyNamed(name: StrategyName, options: AdaptiveOptions): Strategy {
  switch (name) {
    case "fedavg":
      return fedAvg(options.beta1);
    case "fedprox":
      return fedProx();
    case "fedadam":
      return fedAdam(options);
    case "fedyogi":
      return fedYogi(options);
  }
}
