import { integerField, invalidEvent, listField, numberField } from "./_checks.ts";
import { describe } from "./_checks.ts";
import type { DpEvent, MixtureOfGaussiansEvent, SkellamEvent } from "./types.ts";

/** Noise parameters outside of this range are mistakes: their squares would leave double precision. */
const SMALLEST_SCALE = 1e-3;
const LARGEST_SCALE = 1e12;
/** Deeper nesting than this is not a composition that anyone wrote. */
const MAX_DEPTH = 64;

type Fields = Readonly<Record<string, unknown>>;

/** Field names of each event type: anything else in the object is refused rather than ignored. */
const FIELDS: { readonly [type: string]: readonly string[] } = {
  no_op: [],
  non_private: [],
  gaussian: ["sigma"],
  laplace: ["b"],
  discrete_laplace: ["a", "sensitivity"],
  discrete_gaussian: ["sigma", "sensitivity", "dimension"],
  sum_of_discrete_gaussians: ["local_sigma", "num_shares", "l2_sensitivity", "l1_sensitivity", "dimension"],
  skellam: ["variance", "l2_sensitivity", "l1_sensitivity", "dimension"],
  zcdp: ["rho", "xi"],
  eps_delta: ["epsilon", "delta"],
  randomized_response: ["noise_parameter", "num_buckets"],
  exponential: ["epsilon"],
  permute_and_flip: ["epsilon"],
  mixture_of_gaussians: ["sigma", "sensitivities", "probs"],
  truncated_poisson_gaussian: ["dataset_size", "q", "truncated_batch_size", "sigma"],
  tree: ["sigma", "step_counts"],
  poisson: ["q", "event"],
  sample_without_replacement: ["dataset_size", "sample_size", "event"],
  repeat_and_select: ["mean", "shape", "event"],
  composed: ["events"],
  self_composed: ["event", "count"],
};

/**
 * Checks a foreign value and returns it as an event.
 * @throws FedKimError UnsupportedDpEvent for an unknown type, an unknown field, or a parameter out of range
 */
export function parseEvent(value: unknown): DpEvent {
  return parseAt(value, 0);
}

function parseAt(value: unknown, depth: number): DpEvent {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidEvent(describe(value), "an object with a type");
  }
  if (depth > MAX_DEPTH) throw invalidEvent("a nesting deeper than 64", "a flatter composition");
  const o = value as Fields;
  const type = typeof o.type === "string" ? o.type : "";
  const names = Object.hasOwn(FIELDS, type) ? FIELDS[type] : undefined;
  if (names === undefined) throw invalidEvent("an unknown event type", Object.keys(FIELDS).join(", "));
  for (const key of Object.keys(o)) {
    if (key !== "type" && !names.includes(key)) {
      throw invalidEvent(`an unknown field in ${type}`, names.join(", "));
    }
  }
  return parseLeaf(type, o) ?? parseNested(type, o, depth);
}

function scale(type: string, name: string, o: Fields): number {
  return numberField(type, name, o[name], SMALLEST_SCALE, LARGEST_SCALE);
}

function parseLeaf(type: string, o: Fields): DpEvent | undefined {
  switch (type) {
    case "no_op":
      return { type };
    case "non_private":
      return { type };
    case "gaussian":
      return { type, sigma: scale(type, "sigma", o) };
    case "laplace":
      return { type, b: scale(type, "b", o) };
    case "discrete_laplace":
      return {
        type,
        a: numberField(type, "a", o.a, 1e-9, 1e3),
        sensitivity: integerField(type, "sensitivity", o.sensitivity, 1, 1e9),
      };
    case "zcdp":
      return {
        type,
        rho: numberField(type, "rho", o.rho, 0, 1e9),
        xi: numberField(type, "xi", o.xi, 0, 1e9),
      };
    case "eps_delta":
      return {
        type,
        epsilon: numberField(type, "epsilon", o.epsilon, 0, 1e9),
        delta: numberField(type, "delta", o.delta, 0, 1),
      };
    case "randomized_response":
      return {
        type,
        noise_parameter: numberField(type, "noise_parameter", o.noise_parameter, 0, 1, true),
        num_buckets: integerField(type, "num_buckets", o.num_buckets, 2),
      };
    case "exponential":
    case "permute_and_flip":
      return { type, epsilon: numberField(type, "epsilon", o.epsilon, 0, 1e9, true) };
    case "mixture_of_gaussians":
      return parseMixture(o);
    case "tree":
      return {
        type,
        sigma: scale(type, "sigma", o),
        step_counts: Array.isArray(o.step_counts)
          ? listField(type, "step_counts", o.step_counts).map((n) => integerField(type, "step_counts", n, 1))
          : integerField(type, "step_counts", o.step_counts, 1),
      };
    case "truncated_poisson_gaussian":
      return {
        type,
        dataset_size: integerField(type, "dataset_size", o.dataset_size, 1),
        q: numberField(type, "q", o.q, 0, 1, true),
        truncated_batch_size: integerField(type, "truncated_batch_size", o.truncated_batch_size, 1),
        sigma: scale(type, "sigma", o),
      };
    default:
      return parseInteger(type, o);
  }
}

/** The mechanisms on the integer grid. */
function parseInteger(type: string, o: Fields): DpEvent | undefined {
  switch (type) {
    case "discrete_gaussian": {
      const sensitivity = numberField(type, "sensitivity", o.sensitivity, 0, LARGEST_SCALE, true);
      const base = { type, sigma: scale(type, "sigma", o), sensitivity } as const;
      return o.dimension === undefined
        ? base
        : { ...base, dimension: integerField(type, "dimension", o.dimension, 1) };
    }
    case "sum_of_discrete_gaussians":
      return {
        type,
        local_sigma: scale(type, "local_sigma", o),
        num_shares: integerField(type, "num_shares", o.num_shares, 1, 1e6),
        l2_sensitivity: numberField(type, "l2_sensitivity", o.l2_sensitivity, 0, LARGEST_SCALE, true),
        l1_sensitivity: numberField(type, "l1_sensitivity", o.l1_sensitivity, 0, 1e24, true),
        dimension: integerField(type, "dimension", o.dimension, 1),
      };
    case "skellam": {
      const base: SkellamEvent = {
        type,
        variance: numberField(type, "variance", o.variance, 1e-6, 1e24),
        l2_sensitivity: numberField(type, "l2_sensitivity", o.l2_sensitivity, 0, LARGEST_SCALE, true),
        l1_sensitivity: numberField(type, "l1_sensitivity", o.l1_sensitivity, 0, 1e24, true),
      };
      return o.dimension === undefined
        ? base
        : { ...base, dimension: integerField(type, "dimension", o.dimension, 1) };
    }
    default:
      return undefined;
  }
}

function parseMixture(o: Fields): MixtureOfGaussiansEvent {
  const type = "mixture_of_gaussians";
  const sensitivities = listField(type, "sensitivities", o.sensitivities)
    .map((s) => numberField(type, "sensitivities", s, 0, 1e6));
  const probs = listField(type, "probs", o.probs).map((p) => numberField(type, "probs", p, 0, 1));
  const total = probs.reduce((a, b) => a + b, 0);
  if (probs.length !== sensitivities.length || Math.abs(total - 1) > 1e-9) {
    throw invalidEvent(
      `${probs.length} probabilities with sum ${total} for ${sensitivities.length} sensitivities`,
      "as many probabilities as sensitivities, with sum 1",
    );
  }
  return { type, sigma: scale(type, "sigma", o), sensitivities, probs };
}

function parseNested(type: string, o: Fields, depth: number): DpEvent {
  switch (type) {
    case "poisson":
      return { type, q: numberField(type, "q", o.q, 0, 1), event: parseAt(o.event, depth + 1) };
    case "sample_without_replacement": {
      const dataset = integerField(type, "dataset_size", o.dataset_size, 1);
      return {
        type,
        dataset_size: dataset,
        sample_size: integerField(type, "sample_size", o.sample_size, 1, dataset),
        event: parseAt(o.event, depth + 1),
      };
    }
    case "repeat_and_select":
      return {
        type,
        mean: numberField(type, "mean", o.mean, 1, 1e9),
        shape: o.shape === "inf" ? "inf" : numberField(type, "shape", o.shape, 0, 1e9),
        event: parseAt(o.event, depth + 1),
      };
    case "composed":
      return { type, events: listField(type, "events", o.events).map((e) => parseAt(e, depth + 1)) };
    case "self_composed":
      return {
        type,
        event: parseAt(o.event, depth + 1),
        count: integerField(type, "count", o.count, 0),
      };
    default:
      throw invalidEvent(`type ${type}`, Object.keys(FIELDS).join(", "));
  }
}
