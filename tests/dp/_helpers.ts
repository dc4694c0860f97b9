import type { DpEvent, Neighboring, RandomBytes } from "../../src/dp/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";

/** A reproducible byte source: for tests only, so that statistical tests give the same answer every time. */
export function seededBytes(seed: number): RandomBytes {
  const random = new SeededRandom(seed);
  return (length) => {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = random.integer(256);
    return bytes;
  };
}

/** The golden file that travels with the repository. */
export const goldenText: string = Deno.readTextFileSync(
  new URL("../vectors/dp/dp_golden.json", import.meta.url),
);

/** One example of every mechanism that is no composition, with the relation under which it is accounted. */
export const MECHANISMS: readonly { event: DpEvent; neighboring: Neighboring }[] = [
  { event: { type: "gaussian", sigma: 2 }, neighboring: "add_or_remove_one" },
  { event: { type: "gaussian", sigma: 4 }, neighboring: "replace_one" },
  { event: { type: "laplace", b: 3 }, neighboring: "add_or_remove_one" },
  { event: { type: "discrete_laplace", a: 0.3, sensitivity: 2 }, neighboring: "add_or_remove_one" },
  { event: { type: "discrete_gaussian", sigma: 3, sensitivity: 1 }, neighboring: "add_or_remove_one" },
  {
    event: {
      type: "sum_of_discrete_gaussians",
      local_sigma: 1.5,
      num_shares: 4,
      l2_sensitivity: 1,
      l1_sensitivity: 1,
      dimension: 1,
    },
    neighboring: "add_or_remove_one",
  },
  {
    event: { type: "skellam", variance: 50, l2_sensitivity: 1, l1_sensitivity: 1 },
    neighboring: "add_or_remove_one",
  },
  { event: { type: "zcdp", rho: 0.02, xi: 0 }, neighboring: "add_or_remove_one" },
  { event: { type: "eps_delta", epsilon: 0.2, delta: 1e-8 }, neighboring: "add_or_remove_one" },
  {
    event: { type: "randomized_response", noise_parameter: 0.6, num_buckets: 3 },
    neighboring: "replace_one",
  },
  { event: { type: "exponential", epsilon: 0.2 }, neighboring: "add_or_remove_one" },
  { event: { type: "permute_and_flip", epsilon: 0.2 }, neighboring: "add_or_remove_one" },
  {
    event: { type: "mixture_of_gaussians", sigma: 2, sensitivities: [0, 1, 2], probs: [0.9, 0.08, 0.02] },
    neighboring: "add_or_remove_one",
  },
  {
    event: {
      type: "truncated_poisson_gaussian",
      dataset_size: 1000,
      q: 0.02,
      truncated_batch_size: 30,
      sigma: 2,
    },
    neighboring: "add_or_remove_one",
  },
  {
    event: { type: "poisson", q: 0.05, event: { type: "gaussian", sigma: 1.5 } },
    neighboring: "add_or_remove_one",
  },
  { event: { type: "poisson", q: 0.05, event: { type: "gaussian", sigma: 3 } }, neighboring: "replace_one" },
  {
    event: { type: "poisson", q: 0.1, event: { type: "laplace", b: 3 } },
    neighboring: "add_or_remove_one",
  },
  {
    event: { type: "poisson", q: 0.1, event: { type: "discrete_gaussian", sigma: 3, sensitivity: 1 } },
    neighboring: "add_or_remove_one",
  },
  {
    event: {
      type: "sample_without_replacement",
      dataset_size: 1000,
      sample_size: 50,
      event: { type: "gaussian", sigma: 2 },
    },
    neighboring: "replace_one",
  },
  {
    event: { type: "repeat_and_select", mean: 5, shape: 1, event: { type: "gaussian", sigma: 10 } },
    neighboring: "add_or_remove_one",
  },
  { event: { type: "tree", sigma: 12, step_counts: 100 }, neighboring: "replace_special" },
];
