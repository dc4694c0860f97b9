import { FedKimError } from "../../formats/errors.ts";
import type {
  DpEvent,
  LeafEvent,
  MixtureOfGaussiansEvent,
  Neighboring,
  TruncatedPoissonGaussianEvent,
} from "../events/mod.ts";
import { binomialUpperTail } from "../numerics/mod.ts";
import {
  discreteGaussianNoise,
  discreteLaplaceNoise,
  type IntegerNoise,
  shiftedNoisePair,
  skellamNoise,
  sumOfDiscreteGaussiansNoise,
} from "./discrete_pairs.ts";
import {
  epsilonDeltaPair,
  publicMixturePair,
  randomizedResponsePair,
  randomizedResponseSpecialPairs,
} from "./finite_pairs.ts";
import { type Component, gaussianPair, mixturePair } from "./gaussian_pair.ts";
import { laplacePair } from "./laplace_pair.ts";
import type { ContinuousPair, Directions } from "./pairs.ts";
import { poissonPair } from "./poisson_pair.ts";

function unsupported(event: LeafEvent, neighboring: Neighboring): FedKimError {
  return new FedKimError("UnsupportedDpEvent", "The pld accountant does not support this event.", {
    found: `${event.type} under ${neighboring}`,
    needed: "an event with a known privacy loss distribution",
    remedy: "use the rdp accountant where it supports the event",
    reason: "no_pld",
  });
}

/** Noise wider than this on the integers is left to the Renyi accountant. */
const WIDEST_NOISE = 20_000;

/**
 * The dominating pair of a mechanism, both directions.
 * @throws FedKimError UnsupportedDpEvent where none is known
 */
export function pairsOf(event: LeafEvent, neighboring: Neighboring): Directions {
  const reach = neighboring === "replace_one" ? 2 : 1;
  switch (event.type) {
    case "gaussian":
      return { remove: gaussianPair(reach / event.sigma) };
    case "laplace":
      return { remove: laplacePair(reach / event.b) };
    case "mixture_of_gaussians":
      return mixtureOf(event, neighboring);
    case "poisson":
      return sampled(event.q, event.event, event, neighboring);
    case "truncated_poisson_gaussian":
      return truncated(event, neighboring);
    case "eps_delta":
      return { remove: epsilonDeltaPair(event.epsilon, event.delta) };
    case "exponential":
      return { remove: epsilonDeltaPair(event.epsilon, 0) };
    case "permute_and_flip":
      return { remove: laplacePair(event.epsilon) };
    case "randomized_response":
      if (neighboring === "add_or_remove_one") throw unsupported(event, neighboring);
      return neighboring === "replace_one"
        ? { remove: randomizedResponsePair(event.noise_parameter, event.num_buckets) }
        : randomizedResponseSpecialPairs(event.noise_parameter, event.num_buckets);
    default:
      return integerPairs(event, neighboring, reach);
  }
}

/** One-dimensional noise on the integers. */
function integerPairs(event: LeafEvent, neighboring: Neighboring, reach: number): Directions {
  const pair = (
    width: number,
    sensitivity: number,
    dimension: number | undefined,
    noise: (extra: number) => IntegerNoise,
  ): Directions => {
    const fits = width <= WIDEST_NOISE && Number.isInteger(sensitivity) && (dimension ?? 1) === 1 &&
      sensitivity * reach <= WIDEST_NOISE;
    if (!fits) throw unsupported(event, neighboring);
    return { remove: shiftedNoisePair(noise(reach * sensitivity), reach * sensitivity) };
  };
  switch (event.type) {
    case "discrete_laplace":
      return pair(1 / event.a, event.sensitivity, 1, (extra) => discreteLaplaceNoise(event.a, extra));
    case "discrete_gaussian":
      return pair(
        event.sigma,
        event.sensitivity,
        event.dimension,
        (extra) => discreteGaussianNoise(event.sigma, extra),
      );
    case "skellam":
      return pair(
        Math.sqrt(event.variance),
        event.l2_sensitivity,
        event.dimension,
        (extra) => skellamNoise(event.variance, extra),
      );
    case "sum_of_discrete_gaussians": {
      const { local_sigma: sigma, num_shares: shares } = event;
      // Direct convolution costs the square of the width.
      const width = Math.sqrt(shares) * sigma * 10;
      return pair(
        width,
        event.l2_sensitivity,
        event.dimension,
        (extra) => sumOfDiscreteGaussiansNoise(sigma, shares, extra),
      );
    }
    default:
      throw unsupported(event, neighboring);
  }
}

function mixtureOf(event: MixtureOfGaussiansEvent, neighboring: Neighboring): Directions {
  const side = (sign: number): Component[] =>
    event.probs.map((weight, i) => ({ weight, mean: sign * event.sensitivities[i] / event.sigma }));
  const zero = [{ weight: 1, mean: 0 }];
  if (neighboring === "replace_one") return { remove: mixturePair(side(1), side(-1)) };
  // The add direction is mirrored, x to -x, so that its loss grows with x too.
  return { remove: mixturePair(side(1), zero), add: mixturePair(zero, side(-1)) };
}

/** Poisson sampling; inner mechanisms have symmetric pairs. */
function sampled(q: number, inner: DpEvent, event: LeafEvent, neighboring: Neighboring): Directions {
  if (neighboring === "replace_one") {
    if (inner.type !== "gaussian") throw unsupported(event, neighboring);
    return { remove: replacedSample(q, inner.sigma) };
  }
  if (inner.type !== "gaussian" && inner.type !== "laplace" && inner.type !== "discrete_gaussian") {
    throw unsupported(event, neighboring);
  }
  return poissonPair(pairsOf(inner, neighboring).remove, q);
}

/** Poisson-sampled Gaussian, one unit replaced by another: it moves the sum one way or the other. */
function replacedSample(q: number, sigma: number): ContinuousPair {
  const side = (sign: number) => [{ weight: 1 - q, mean: 0 }, { weight: q, mean: sign / sigma }];
  return mixturePair(side(1), side(-1));
}

/**
 * Poisson sampling cut at a largest batch: with the chance that the others alone fill the batch, the unit
 * displaces another one (a replacement at the conditional rate), otherwise it is plainly sampled. Source:
 * Google dp_accounting, supplementary material section 4.3.
 */
function truncated(event: TruncatedPoissonGaussianEvent, neighboring: Neighboring): Directions {
  if (neighboring === "replace_one") throw unsupported(event, neighboring);
  const { dataset_size: n, q, truncated_batch_size: batch, sigma } = event;
  const plain = poissonPair(gaussianPair(1 / sigma), q);
  const chance = binomialUpperTail(n - 1, q, batch);
  if (chance === 0) return plain;
  const rate = Math.min(1, (binomialUpperTail(n, q, batch + 1) * batch) / chance / n);
  const displaced = replacedSample(rate, sigma / 2);
  const mixed = (pair: Directions["remove"]) =>
    pair.kind === "continuous" ? publicMixturePair(displaced, pair, chance) : pair;
  return { remove: mixed(plain.remove), ...(plain.add === undefined ? {} : { add: mixed(plain.add) }) };
}
