import type { AggregationProfile, DpCohort, DpEncoding, DpNoise, DpPlanRequest } from "./types.ts";
import { need } from "./_refuse.ts";

/** The rounding of a sum may raise the sensitivity by this share at most. */
const ROUNDING_SHARE = 1e-3;
/**
 * Every share is at least this wide, in grid units: sums of discrete Gaussians are then Gaussian to 1e-60.
 */
const SMALLEST_SHARE_STDDEV = 4;
/** Noise is taken to stay within this many standard deviations when bits are counted. */
const NOISE_REACH = 12;

/**
 * Shares h that are honest and present in every sum the protocol may open. `strict`: nMin - c. `default`:
 * split views may open a smaller sum, n - floor((n - c)(n - nMin) / (t - c)) - c.
 * @throws FedKimError ConfigError where none is left
 */
export function honestShares(cohort: DpCohort, profile: AggregationProfile): number {
  const { n, nMin, colluders: c } = cohort;
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
export function encodingOf(request: Required<DpPlanRequest>): DpEncoding {
  const root = Math.sqrt(request.dimension);
  const scale = 2 ** Math.ceil(Math.log2(root / ROUNDING_SHARE));
  const sensitivity = Math.ceil(scale * (1 + request.floatSlack) + root) + 1;
  return {
    scale,
    sensitivity,
    rounding: "unbiased",
    ringBits: 32,
    coordinateLimit: Math.min(2 ** 31 - 1, request.maxUnitsPerStep * scale),
  };
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
 * @throws FedKimError ConfigError where a share is too narrow for the grid or the sum does not fit into the
 * ring
 */
export function noiseOf(
  request: Required<DpPlanRequest>,
  encoding: DpEncoding,
  noiseMultiplier: number,
): DpNoise {
  const shares = honestShares(request.cohort, request.profile);
  const sigma = exactRatio(noiseMultiplier);
  const d = BigInt(encoding.sensitivity);
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
    "raise the noise multiplier or the scale",
  );
  checkRing(request, encoding, shareStddev);
  return {
    noiseMultiplier,
    honestShares: shares,
    shareVariance: { numerator: `${numerator}`, denominator: `${denominator}` },
    shareStddev,
  };
}

function checkRing(request: Required<DpPlanRequest>, encoding: DpEncoding, shareStddev: number): void {
  const noise = NOISE_REACH * shareStddev * Math.sqrt(request.cohort.n);
  const largest = request.maxUnitsPerStep * encoding.scale + noise;
  const bits = Math.ceil(Math.log2(largest)) + 1;
  need(
    bits <= encoding.ringBits,
    "ring_overflow",
    `${bits} bits for ${request.maxUnitsPerStep} units a step at scale ${encoding.scale}, and the noise`,
    `at most ${encoding.ringBits} bits`,
    "lower the sampling rate and maxUnitsPerStep, release fewer coordinates, or lower the noise multiplier",
  );
}
