import { FedKimError } from "../../formats/errors.ts";
import { cryptoRandomBytes, type RandomBytes } from "../../formats/random_bytes.ts";
import { ringToReal, roundToRing } from "../encoding/mod.ts";
import { addDiscreteGaussian } from "../noise/mod.ts";
import type { DpPlan } from "./types.ts";

function checkLength(found: number, plan: DpPlan): void {
  if (found !== plan.request.dimension) {
    throw new FedKimError("ConfigError", "The update does not have the plan's dimension.", {
      found: `${found} coordinates`,
      needed: `${plan.request.dimension}`,
      remedy: "release exactly the parameters that the plan names",
    });
  }
}

/**
 * What a site hands to secure aggregation: its sum of clipped unit contributions, scaled, rounded and with
 * this site's exact discrete Gaussian share on every coordinate, modulo 2^32. The same for an empty sample.
 * @param sum sum over the sampled units of clip_C(g) / C, length d
 * @throws FedKimError ConfigError for another length, InternalError for a value that is not finite
 */
export function encodeUpdate(
  plan: DpPlan,
  sum: Float64Array,
  randomBytes: RandomBytes = cryptoRandomBytes,
): Uint32Array {
  checkLength(sum.length, plan);
  for (let i = 0; i < sum.length; i++) {
    if (!Number.isFinite(sum[i])) {
      throw new FedKimError(
        "InternalError",
        "A sum of clipped gradients is not finite; nothing is released.",
      );
    }
  }
  const { scale, coordinateLimit } = plan.encoding;
  const ring = roundToRing(sum, scale, coordinateLimit, randomBytes);
  addDiscreteGaussian(ring, plan.noise.shareVariance, randomBytes);
  return ring;
}

/** The aggregated sum in units of clip bounds: sum over sites and units of clip_C(g) / C, plus the noise. */
export function decodeSum(plan: DpPlan, ring: Uint32Array): Float64Array {
  checkLength(ring.length, plan);
  return ringToReal(ring, plan.encoding.scale);
}
