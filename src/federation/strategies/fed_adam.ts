import { adaptive, type AdaptiveOptions } from "./_adaptive.ts";
import type { Strategy } from "./strategy.ts";

/** FedAdam (Reddi et al. 2021, Algorithm 2): v is a running mean of squares. */
export function fedAdam(options: AdaptiveOptions): Strategy {
  const { beta2 } = options;
  return adaptive("fedadam", options, (v, square) => beta2 * v + (1 - beta2) * square);
}
