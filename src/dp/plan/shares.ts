import type { AggregationProfile, DpCohort, DpEncoding, DpNoise, DpPlanRequest } from "./types.ts";
import { need } from "./_refuse.ts";

/** The rounding of a sum may raise the sensitivity by this share at most. */
const ROUNDING_SHARE = 1e-3;
/**
 * Every share is at least this wide, in grid units: sums of discrete Gaussians are then Gaussian to 1e-60.
 */
const SMALLEST_SHARE_STDDEV = 4;
/**
 * Noise is taken to stay within this many standard deviations when bits are counted: beyond 16 of them lies a
 * probability of 1e-57, so no site's vector ever leaves the bound that secure aggregation checks.
 */
const NOISE_REACH = 16;
/** Largest sum that the ring of 32 bits holds, signed. */
const RING_REACH = 2 ** 31 - 1;

/**
 * Shares h that are honest and present in every sum the protocol may open. `strict`: nMin - c. `default`:
 * split views may open a smaller sum, n - floor((n - c)(n - nMin) / (t - c)) - c. `local`: a site's own noise is all
 * that is counted, 1.
 * @throws FedKimError ConfigError where none is left
 */
export function honestShares(cohort: DpCohort, profile: AggregationProfile): number {
  const { n, nMin, colluders: c } = cohort;
  if (profile.type === "local") return 1;
  if (profile.type === "default") {
    const spread = profile.threshold - c;
    need(
      spread >= 1,
      "no_honest_share",
      `threshold ${profile.threshold} with ${c} colluders`,
      "a threshold above the colluders",
      "raise the threshold or use the strict profile",
    );
    const shares = n - Math.floor(((n - c) * (n - nMin)) / spread) - c;
    need(
      shares >= 1,
      "no_honest_share",
      `${shares} honest shares in the worst split`,
      "at least 1",
      "use the strict profile, or raise nMin or the threshold",
    );
    return shares;
  }
  need(
    nMin - c >= 1,
    "no_honest_share",
    `nMin ${nMin} with ${c} colluders`,
    "nMin > colluders",
    "raise nMin",
  );
  return nMin - c;
}

/** Scale and sensitivity: sqrt(d) <= 1e-3 scale, D = scale (1 + eta) + sqrt(d), rounded up. */
export function gridOf(request: Required<DpPlanRequest>): Pick<DpEncoding, "scale" | "sensitivity"> {
  const root = Math.sqrt(request.dimension);
  const scale = 2 ** Math.ceil(Math.log2(root / ROUNDING_SHARE));
  const sensitivity = Math.ceil(scale * (1 + request.floatSlack) + root) + 1;
  return { scale, sensitivity };
}

/**
 * The encoding of every site's vector. A site's coordinate saturates where its share of the ring, (2^31 - 1) / n, is
 * used up but for the reach of its own noise; so neither a site's vector nor the sum can overflow, whatever the data.
 * @throws FedKimError ConfigError (`ring_overflow`) where the units of a step do not fit
 */
export function encodingOf(
  request: Required<DpPlanRequest>,
  grid: Pick<DpEncoding, "scale" | "sensitivity">,
  noise: DpNoise,
): DpEncoding {
  const { cohort, maxUnitsPerStep, profile } = request;
  // In `local` mode a noised sum never leaves its site: it has the ring for itself.
  const n = profile.type === "local" ? 1 : cohort.n;
  const reach = Math.ceil(NOISE_REACH * noise.shareStddev);
  const most = Math.floor(RING_REACH / n) - reach;
  const units = maxUnitsPerStep * grid.scale;
  const bits = Math.ceil(Math.log2(units + n * (reach + 1))) + 1;
  need(
    most >= 1 && units <= n * most,
    "ring_overflow",
    `${bits} bits for ${maxUnitsPerStep} units a step at scale ${grid.scale} and the noise of ${n} sites`,
    "at most 32 bits, which is what the ring has",
    "lower maxUnitsPerStep and the sampling rates, or release fewer parameters (the scale grows with the root of " +
      "their number), or lower the noise multiplier (a larger epsilon or fewer steps)",
  );
  return { ...grid, rounding: "unbiased", ringBits: 32, coordinateLimit: Math.min(most, units) };
}

/** Exact integer ratio of a positive double: value = mantissa 2^exponent. */
function exactRatio(value: number): { numerator: bigint; denominator: bigint } {
  let exponent = 0;
  let mantissa = value;
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2;
    exponent++;
  }
  return { numerator: BigInt(mantissa), denominator: 1n << BigInt(exponent) };
}

/**
 * Noise of each site: variance sigma^2 D^2 / h, rounded up to an integer (to 2^-10 below a million),
 * exactly.
 * @throws FedKimError ConfigError where a share is too narrow or too wide for the grid
 */
export function noiseOf(
  request: Required<DpPlanRequest>,
  { sensitivity }: Pick<DpEncoding, "sensitivity">,
  noiseMultiplier: number,
): DpNoise {
  const shares = honestShares(request.cohort, request.profile);
  const sigma = exactRatio(noiseMultiplier);
  const d = BigInt(sensitivity);
  const below = sigma.denominator * sigma.denominator * BigInt(shares);
  const above = sigma.numerator * sigma.numerator * d * d;
  const denominator = above / below < 1_000_000n ? 1024n : 1n;
  const numerator = (above * denominator + below - 1n) / below;
  const shareStddev = Math.sqrt(Number(numerator) / Number(denominator));
  need(
    shareStddev >= SMALLEST_SHARE_STDDEV,
    "share_too_narrow",
    `a share of ${shareStddev} grid units`,
    `at least ${SMALLEST_SHARE_STDDEV}`,
    "raise the noise multiplier",
  );
  return {
    noiseMultiplier,
    honestShares: shares,
    shareVariance: { numerator: `${numerator}`, denominator: `${denominator}` },
    shareStddev,
  };
}
