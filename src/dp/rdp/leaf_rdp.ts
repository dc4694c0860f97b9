import { FedKimError } from "../../formats/errors.ts";
import { type DpEvent, flattenEvent, type LeafEvent, type Neighboring } from "../events/mod.ts";
import { gaussianRdp, sampledGaussianRdp } from "./gaussian.ts";
import { skellamRdp, sumOfDiscreteGaussiansRdp, treeRdp } from "./integer_mechanisms.ts";
import { logRatioMoment } from "./_mixture.ts";
import {
  boundedRangeRdp,
  laplaceRdp,
  pureRdp,
  randomizedResponseRdp,
  randomizedResponseSpecialRdp,
} from "./pure.ts";
import { repeatAndSelectRdp } from "./repeat_and_select.ts";
import { withoutReplacementRdp } from "./without_replacement.ts";

/** RDP curve of a mechanism, and what it leaves out. */
export interface RdpCurve {
  /** True where only integer orders have a bound. */
  readonly integersOnly: boolean;
  /** Probability of complete failure outside of the curve, to be added to delta. */
  readonly extraDelta: number;
  /** RDP epsilon at `order` > 1; Infinity where there is no bound. */
  at(order: number): number;
}

function unsupported(event: LeafEvent, neighboring: Neighboring): FedKimError {
  return new FedKimError("UnsupportedDpEvent", "The rdp accountant does not support this event.", {
    found: `${event.type} under ${neighboring}`,
    needed: "an event with a known Renyi bound",
    remedy: "use the pld accountant where it supports the event",
    reason: "no_rdp",
  });
}

function curve(at: (order: number) => number, integersOnly = false, extraDelta = 0): RdpCurve {
  return { integersOnly, extraDelta, at };
}

/**
 * RDP curve of a mechanism.
 * @throws FedKimError UnsupportedDpEvent where no bound is known
 */
export function rdpOf(event: LeafEvent, neighboring: Neighboring): RdpCurve {
  // Parameters are relative to adding or removing a unit; replacing one moves the sum twice as far.
  const reach = neighboring === "replace_one" ? 2 : 1;
  switch (event.type) {
    case "non_private":
      return curve(() => Infinity);
    case "gaussian":
      return curve((a) => gaussianRdp(a, event.sigma / reach));
    case "laplace":
      return curve((a) => laplaceRdp(a, reach / event.b));
    case "discrete_laplace":
      return curve((a) => pureRdp(a, event.a * event.sensitivity * reach));
    case "discrete_gaussian":
      return curve((a) => gaussianRdp(a, event.sigma / (reach * event.sensitivity)));
    case "sum_of_discrete_gaussians":
      return curve((a) =>
        sumOfDiscreteGaussiansRdp(a, {
          localSigma: event.local_sigma,
          shares: event.num_shares,
          l2: reach * event.l2_sensitivity,
          l1: reach * event.l1_sensitivity,
          dimension: event.dimension,
        })
      );
    case "skellam": {
      const [l2, l1] = [reach * event.l2_sensitivity, reach * event.l1_sensitivity];
      return curve((a) => skellamRdp(a, event.variance, l2, l1), true);
    }
    case "mixture_of_gaussians": {
      if (reach === 2) throw unsupported(event, neighboring);
      const parts = event.probs.map((weight, i) => ({ weight, mean: event.sensitivities[i] / event.sigma }));
      return curve((a) => logRatioMoment(a, parts) / (a - 1));
    }
    case "poisson":
      return poissonCurve(event.q, event.event, event, neighboring);
    case "sample_without_replacement":
      if (event.event.type !== "gaussian" || reach !== 2) throw unsupported(event, neighboring);
      return curve(withoutReplacementRdp(event.sample_size / event.dataset_size, event.event.sigma));
    case "tree":
      if (neighboring !== "replace_special") throw unsupported(event, neighboring);
      return curve((a) => treeRdp(a, event.sigma, event.step_counts));
    case "repeat_and_select": {
      const inner = composedRdp(event.event, neighboring);
      if (inner.integersOnly || inner.extraDelta > 0) throw unsupported(event, neighboring);
      return curve(repeatAndSelectRdp(inner.at, event.mean, event.shape));
    }
    default:
      return pureCurve(event, neighboring);
  }
}

/** Mechanisms described by their guarantee alone: it is stated for the relation asked about. */
function pureCurve(event: LeafEvent, neighboring: Neighboring): RdpCurve {
  switch (event.type) {
    case "zcdp":
      return curve((a) => event.xi + event.rho * a);
    case "eps_delta":
      return curve((a) => pureRdp(a, event.epsilon), false, event.delta);
    case "exponential":
      return curve((a) => boundedRangeRdp(a, event.epsilon));
    case "permute_and_flip":
      // Two candidates are a thresholded Laplace variable of scale 1/epsilon (McKenna and Sheldon 2020).
      return curve((a) => laplaceRdp(a, event.epsilon));
    case "randomized_response":
      if (neighboring === "add_or_remove_one") throw unsupported(event, neighboring);
      return neighboring === "replace_one"
        ? curve((a) => randomizedResponseRdp(a, event.noise_parameter, event.num_buckets))
        : curve((a) => randomizedResponseSpecialRdp(a, event.noise_parameter, event.num_buckets));
    default:
      throw unsupported(event, neighboring);
  }
}

function poissonCurve(q: number, inner: DpEvent, event: LeafEvent, neighboring: Neighboring): RdpCurve {
  if (neighboring === "replace_one") throw unsupported(event, neighboring);
  if (inner.type === "gaussian") return curve((a) => sampledGaussianRdp(a, q, inner.sigma));
  if (inner.type === "discrete_gaussian") {
    // For integer shifts E_Q[(P/Q)^i] is that of the Gaussian, so the binomial sum is exact at integer
    // orders.
    return curve((a) => sampledGaussianRdp(a, q, inner.sigma / inner.sensitivity), true);
  }
  throw unsupported(event, neighboring);
}

/** Total RDP of a composition: Renyi divergences of independent releases add up. */
export function composedRdp(event: DpEvent, neighboring: Neighboring): RdpCurve {
  const parts = flattenEvent(event).map((part) => ({ ...part, curve: rdpOf(part.event, neighboring) }));
  const logSafe = parts.reduce((sum, part) => sum + part.count * Math.log1p(-part.curve.extraDelta), 0);
  return {
    integersOnly: parts.some((part) => part.curve.integersOnly),
    extraDelta: -Math.expm1(logSafe),
    at: (order) => parts.reduce((sum, part) => sum + part.count * part.curve.at(order), 0),
  };
}
