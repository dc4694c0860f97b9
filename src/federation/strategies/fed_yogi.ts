import { adaptive, type AdaptiveOptions } from "./_adaptive.ts";
import type { Strategy } from "./strategy.ts";

/** FedYogi (Reddi et al. 2021, Algorithm 2): v moves towards the square by a step that does not grow with v. */
export function fedYogi(options: AdaptiveOptions): Strategy {
  const { beta2 } = options;
  return adaptive("fedyogi", options, (v, square) => v - (1 - beta2) * square * Math.sign(v - square));
}
