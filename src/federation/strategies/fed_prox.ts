import { fedAvg } from "./fed_avg.ts";
import type { Strategy } from "./strategy.ts";

/**
 * FedProx (Li et al. 2020, Algorithm 2): the server averages as in FedAvg. What makes it FedProx is the pull of every
 * site's own steps towards the round's start, `local.proximal` of the signed plan, so it needs `local` mode.
 */
export function fedProx(): Strategy {
  return { ...fedAvg(), name: "fedprox" };
}
