import {
  deltaAt,
  type DpEvent,
  epsilonAt,
  type Neighboring,
  privacyCurve,
  tradeOff,
} from "../../src/dp/mod.ts";
import type { Figures } from "./_record.ts";
import { MECHANISMS } from "./_helpers.ts";
import { orRefusal, RELATIONS, sampled, times } from "./_record_events.ts";

const ADD = { neighboring: "add_or_remove_one" } as const;

const SKELLAM = { type: "skellam", variance: 30, l2_sensitivity: 2, l1_sensitivity: 2 } as const;
const SHARES = {
  type: "sum_of_discrete_gaussians",
  local_sigma: 2,
  num_shares: 5,
  l2_sensitivity: 1,
  l1_sensitivity: 1,
  dimension: 1,
} as const;

/** Further corners: one per branch of the pairs. */
const CORNERS: Readonly<Record<string, readonly [DpEvent, Neighboring]>> = {
  wide_laplace: [{ type: "laplace", b: 0.3 }, "add_or_remove_one"],
  laplace_replaced: [{ type: "laplace", b: 4 }, "replace_one"],
  discrete_laplace_wide: [{ type: "discrete_laplace", a: 0.02, sensitivity: 3 }, "replace_one"],
  discrete_gaussian_replaced: [{ type: "discrete_gaussian", sigma: 2, sensitivity: 3 }, "replace_one"],
  skellam_replaced: [SKELLAM, "replace_one"],
  skellam_two: [{ ...SKELLAM, dimension: 2 }, "add_or_remove_one"],
  skellam_half: [{ ...SKELLAM, l2_sensitivity: 1.5 }, "add_or_remove_one"],
  shares_replaced: [SHARES, "replace_one"],
  shares_one: [{ ...SHARES, num_shares: 1 }, "add_or_remove_one"],
  shares_narrow: [{ ...SHARES, local_sigma: 0.5, num_shares: 6 }, "add_or_remove_one"],
  shares_two_narrow: [{ ...SHARES, local_sigma: 0.5, num_shares: 2 }, "add_or_remove_one"],
  shares_three_narrow: [{ ...SHARES, local_sigma: 0.4, num_shares: 3 }, "replace_one"],
  eps_delta: [{ type: "eps_delta", epsilon: 0.7, delta: 1e-7 }, "replace_one"],
  response_two: [{ type: "randomized_response", noise_parameter: 0.3, num_buckets: 2 }, "replace_one"],
  response_special: [
    { type: "randomized_response", noise_parameter: 0.4, num_buckets: 5 },
    "replace_special",
  ],
  response_all: [{ type: "randomized_response", noise_parameter: 1, num_buckets: 4 }, "replace_one"],
  mixture_replaced: [
    { type: "mixture_of_gaussians", sigma: 3, sensitivities: [0, 1, 2.5], probs: [0.5, 0.3, 0.2] },
    "replace_one",
  ],
  mixture_of_four: [
    {
      type: "mixture_of_gaussians",
      sigma: 1.5,
      sensitivities: [0, 1, 2, 3, 4],
      probs: [0.6, 0.3, 0.08, 0.02, 0],
    },
    "add_or_remove_one",
  ],
  sampled_laplace: [{ type: "poisson", q: 0.3, event: { type: "laplace", b: 1 } }, "add_or_remove_one"],
  sampled_discrete: [
    { type: "poisson", q: 0.2, event: { type: "discrete_gaussian", sigma: 2, sensitivity: 2 } },
    "add_or_remove_one",
  ],
  gaussian_loud: [{ type: "gaussian", sigma: 0.03 }, "add_or_remove_one"],
  sampled_laplace_loud: [
    { type: "poisson", q: 0.01, event: { type: "laplace", b: 0.01 } },
    "add_or_remove_one",
  ],
  sampled_loud: [sampled(0.01, 0.05), "add_or_remove_one"],
  sampled_replaced: [sampled(0.2, 0.7), "replace_one"],
  truncated_often: [
    { type: "truncated_poisson_gaussian", dataset_size: 100, q: 0.3, truncated_batch_size: 25, sigma: 1 },
    "replace_special",
  ],
  truncated_never: [
    { type: "truncated_poisson_gaussian", dataset_size: 100, q: 0.3, truncated_batch_size: 100, sigma: 1 },
    "add_or_remove_one",
  ],
};

/** What the pld accountant says, to ten digits. */
export const FIGURES: Figures = {
  ...Object.fromEntries(MECHANISMS.map(({ event, neighboring }, i) => [
    `${i} ${event.type} ${neighboring}`,
    () =>
      orRefusal(() => [
        epsilonAt(times(event, 9), 1e-6, { neighboring, gridInterval: 1e-2 }),
        epsilonAt(event, 1e-4, { neighboring, gridInterval: 1e-3 }),
        deltaAt(event, 0.3, { neighboring, gridInterval: 1e-2 }),
      ]),
  ])),
  ...Object.fromEntries(
    Object.entries(CORNERS).map(([name, [event, neighboring]]) => [
      name,
      () =>
        orRefusal(() => [
          epsilonAt(times(event, 4), 1e-5, { neighboring, gridInterval: 1e-2 }),
          deltaAt(event, 0.2, { neighboring, gridInterval: 1e-3 }),
        ]),
    ]),
  ),
  "which mechanisms are refused under which relation": () =>
    MECHANISMS.map(({ event }) =>
      RELATIONS.map((neighboring) =>
        orRefusal(() => epsilonAt(event, 1e-4, { neighboring, gridInterval: 5e-2 }).epsilon)
      )
    ),
  "the grid that is chosen where none is given": () =>
    [
      sampled(0.01, 1),
      sampled(1e-4, 4),
      { type: "gaussian", sigma: 30 } as DpEvent,
      { type: "gaussian", sigma: 0.08 } as DpEvent,
      { type: "eps_delta", epsilon: 0.001, delta: 0 } as DpEvent,
      times({ type: "gaussian", sigma: 1 }, 20_000),
      times(sampled(0.02, 1.1), 300),
    ].map((event) => epsilonAt(event, 1e-6, ADD)),
  "the grid where components make it costly": () => epsilonAt(CORNERS.mixture_of_four[0], 1e-6, ADD),
  "a curve and its trade-off": () => {
    const epsilons = [0, 0.1, 0.5, 1, 2, 4];
    const curve = privacyCurve(times(sampled(0.1, 1), 12), epsilons, { ...ADD, gridInterval: 1e-2 });
    return [curve, [0, 1e-3, 0.05, 0.3, 0.8, 1].map((rate) => tradeOff(curve, rate))];
  },
  "one composition of several": () =>
    epsilonAt(
      {
        type: "composed",
        events: [
          times(sampled(0.05, 1), 30),
          { type: "laplace", b: 2 },
          times({ type: "discrete_gaussian", sigma: 4, sensitivity: 1 }, 3),
          { type: "eps_delta", epsilon: 0.1, delta: 1e-8 },
        ],
      },
      1e-6,
      { ...ADD, gridInterval: 1e-2 },
    ),
  "many compositions, whose powers vanish away from the origin": () =>
    [1e3, 1e5, 1e7].map((count) =>
      epsilonAt(times(sampled(1e-4, 2), count), 1e-5, { ...ADD, gridInterval: 1e-3 })
    ),
  "deltas at the edge of double precision": () =>
    [1e-9, 1e-11, 1e-12, 1e-13].map((delta) =>
      orRefusal(() =>
        epsilonAt(times({ type: "gaussian", sigma: 3 }, 50), delta, { ...ADD, gridInterval: 1e-2 })
      )
    ),
};
