import { composedRdp, deltaAt, type DpEvent, epsilonAt, type Neighboring } from "../../src/dp/mod.ts";
import {
  DEFAULT_ORDERS,
  rdpDelta,
  rdpDeltaOf,
  rdpEpsilon,
  rdpEpsilonOf,
  sampledGaussianRdp,
} from "../../src/dp/rdp/mod.ts";
import { withoutReplacementRdp } from "../../src/dp/rdp/without_replacement.ts";
import type { Figures } from "./_record.ts";
import { MECHANISMS } from "./_helpers.ts";
import { orRefusal, RELATIONS, sampled, times } from "./_record_events.ts";

/** Figures of 0, 1, ..., n - 1. */
function range(n: number, figure: (i: number) => number): number[] {
  return Array.from({ length: n }, (_, i) => figure(i));
}

const ORDERS = [1.01, 1.3, 2, 3, 7.25, 16, 64, 255, 257, 1024.5];

/** Further corners: one per branch of the formulas. */
const CORNERS: Readonly<Record<string, readonly [DpEvent, Neighboring]>> = {
  sampled_narrow: [sampled(0.01, 0.3), "add_or_remove_one"],
  sampled_rare: [sampled(1e-6, 5), "add_or_remove_one"],
  sampled_often: [sampled(0.9, 1), "add_or_remove_one"],
  sampled_replaced: [sampled(0.1, 1), "replace_one"],
  sampled_discrete: [
    { type: "poisson", q: 0.2, event: { type: "discrete_gaussian", sigma: 3, sensitivity: 2 } },
    "add_or_remove_one",
  ],
  sampled_laplace: [{ type: "poisson", q: 0.2, event: { type: "laplace", b: 1 } }, "add_or_remove_one"],
  mixture: [
    { type: "mixture_of_gaussians", sigma: 0.7, sensitivities: [0, 2, 1], probs: [0.6, 0.15, 0.25] },
    "add_or_remove_one",
  ],
  without_replacement: [
    {
      type: "sample_without_replacement",
      dataset_size: 200,
      sample_size: 20,
      event: { type: "gaussian", sigma: 0.8 },
    },
    "replace_one",
  ],
  without_replacement_all: [
    {
      type: "sample_without_replacement",
      dataset_size: 20,
      sample_size: 20,
      event: { type: "gaussian", sigma: 3 },
    },
    "replace_one",
  ],
  tree_one: [{ type: "tree", sigma: 3, step_counts: 1 }, "replace_special"],
  tree_several: [{ type: "tree", sigma: 3, step_counts: [7, 8, 3] }, "replace_special"],
  skellam_narrow: [
    { type: "skellam", variance: 4, l2_sensitivity: 3, l1_sensitivity: 9, dimension: 9 },
    "replace_one",
  ],
  skellam_wide: [
    { type: "skellam", variance: 4000, l2_sensitivity: 3, l1_sensitivity: 9 },
    "add_or_remove_one",
  ],
  shares_many: [
    {
      type: "sum_of_discrete_gaussians",
      local_sigma: 0.6,
      num_shares: 20,
      l2_sensitivity: 5,
      l1_sensitivity: 12,
      dimension: 8,
    },
    "add_or_remove_one",
  ],
  shares_two: [
    {
      type: "sum_of_discrete_gaussians",
      local_sigma: 0.4,
      num_shares: 2,
      l2_sensitivity: 1,
      l1_sensitivity: 2,
      dimension: 3,
    },
    "replace_one",
  ],
  repeat_poisson: [
    { type: "repeat_and_select", mean: 8, shape: "inf", event: { type: "gaussian", sigma: 8 } },
    "add_or_remove_one",
  ],
  repeat_logarithmic: [
    { type: "repeat_and_select", mean: 8, shape: 0, event: { type: "gaussian", sigma: 8 } },
    "add_or_remove_one",
  ],
  repeat_once: [
    { type: "repeat_and_select", mean: 1, shape: 1, event: { type: "gaussian", sigma: 8 } },
    "add_or_remove_one",
  ],
  repeat_half: [
    { type: "repeat_and_select", mean: 3, shape: 0.5, event: { type: "laplace", b: 8 } },
    "add_or_remove_one",
  ],
  response_special: [
    { type: "randomized_response", noise_parameter: 0.2, num_buckets: 7 },
    "replace_special",
  ],
  response_two: [{ type: "randomized_response", noise_parameter: 0.2, num_buckets: 2 }, "replace_one"],
  exponential_large: [{ type: "exponential", epsilon: 9 }, "add_or_remove_one"],
  eps_delta: [{ type: "eps_delta", epsilon: 2, delta: 1e-7 }, "add_or_remove_one"],
  discrete_laplace: [{ type: "discrete_laplace", a: 0.4, sensitivity: 3 }, "replace_one"],
  zcdp: [{ type: "zcdp", rho: 0.1, xi: 0.2 }, "add_or_remove_one"],
};

function figuresOf(event: DpEvent, neighboring: Neighboring): unknown {
  return orRefusal(() => {
    const curve = composedRdp(event, neighboring);
    const options = { neighboring, accountant: "rdp" } as const;
    return [
      curve.integersOnly,
      curve.extraDelta,
      ORDERS.filter((order) => !curve.integersOnly || Number.isInteger(order)).map((order) =>
        curve.at(order)
      ),
      rdpEpsilonOf(times(event, 20), 1e-6, neighboring),
      deltaAt(times(event, 20), 1.5, options).delta,
    ];
  });
}

/** What the rdp accountant says, to ten digits. */
export const FIGURES: Figures = {
  ...Object.fromEntries(MECHANISMS.map(({ event, neighboring }, i) => [
    `${i} ${event.type} ${neighboring}`,
    () => figuresOf(event, neighboring),
  ])),
  ...Object.fromEntries(
    Object.entries(CORNERS).map((
      [name, [event, neighboring]],
    ) => [name, () => figuresOf(event, neighboring)]),
  ),
  "the orders that are searched": () => DEFAULT_ORDERS,
  "which mechanisms are refused under which relation": () =>
    MECHANISMS.map(({ event }) =>
      RELATIONS.map((neighboring) => orRefusal(() => composedRdp(event, neighboring).at(4)))
    ),
  "listed orders, at the edges and inside": () =>
    [[2, 4, 8, 16], [2], [64, 128], [3, 5, 7]].map((orders) => {
      const event = times(sampled(0.02, 1.2), 100);
      return [
        rdpEpsilonOf(event, 1e-6, "add_or_remove_one", orders),
        rdpDeltaOf(event, 2, "add_or_remove_one", orders),
      ];
    }),
  "a failure chance that takes all of delta": () =>
    [1e-7, 1e-6, 2e-6].map((delta) =>
      rdpEpsilonOf({ type: "eps_delta", epsilon: 1, delta }, 1e-6, "add_or_remove_one")
    ),
  "the conversions": () =>
    [[1.005, 0.1], [1.01, 0.1], [1.02, 0.1], [2, 1e-14], [2, 3], [32, 0.5], [8192, 0.01], [4, Infinity]].map((
      [order, rdp],
    ) => [
      rdpEpsilon(order, rdp, 1e-6),
      rdpEpsilon(order, rdp, 0.3),
      rdpDelta(order, rdp, 1),
      rdpDelta(order, rdp, 0),
    ]),
  "around the seams of the sampled Gaussian, where a logarithm takes over": () => [
    // Growth around 40, excess around 700, and the same for fractional orders.
    range(30, (i) => sampledGaussianRdp(24, 0.3, 2.6 + i / 200)),
    range(30, (i) => sampledGaussianRdp(40, 0.4, 1.03 + i / 600)),
    range(30, (i) => sampledGaussianRdp(40.5, 0.4, 1.03 + i / 600)),
    range(12, (i) => sampledGaussianRdp(2.5, 1e-4 * (1 + i), 1.5)),
    // Orders near 1 whose integrand peaks around e^600, where its last term is left out.
    range(30, (i) => sampledGaussianRdp(1.01, 0.5, 1 / (33 + i / 10))),
    range(12, (i) => sampledGaussianRdp(9.5, 0.01 * (1 + i), 0.5)),
  ],
  "without replacement around order 256, and of large and small noise": () =>
    [[0.1, 3], [0.02, 0.3], [0.5, 40], [1, 2]].map(([q, sigma]) => {
      const rdp = withoutReplacementRdp(q, sigma);
      return [1.2, 2, 2.5, 3, 4, 17, 255.5, 256, 256.5, 257].map(rdp);
    }),
  "loud and quiet ends": () =>
    [{ type: "gaussian", sigma: 0.01 } as DpEvent, { type: "gaussian", sigma: 1e5 } as DpEvent].map((event) =>
      epsilonAt(event, 1e-6, { neighboring: "add_or_remove_one", accountant: "rdp" })
    ),
};
