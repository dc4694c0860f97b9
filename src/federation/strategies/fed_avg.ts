import type { Strategy } from "./strategy.ts";

/**
 * FedAvg (McMahan et al. 2017): the mean of the sites' models where the aggregate is a mean of model changes, and plain
 * gradient descent where it is a gradient.
 * @param momentum in [0, 1): decay of the mean of past aggregates (FedAvgM, Hsu et al. 2019), corrected for its start
 */
export function fedAvg(momentum = 0): Strategy {
  return {
    name: "fedavg",
    memory: momentum === 0 ? 0 : 1,
    direction([mean], gradient, step) {
      if (mean === undefined) return { direction: gradient.slice(), memory: [] };
      const next = mean.map((value, i) => momentum * value + (1 - momentum) * gradient[i]);
      const correction = 1 - Math.pow(momentum, step);
      return { direction: next.map((value) => value / correction), memory: [next] };
    },
  };
}
