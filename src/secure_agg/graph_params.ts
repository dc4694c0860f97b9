import { logFactorial, lowerQuantile, upperQuantile } from "./hypergeometric.ts";
import type { Graph } from "./graph.ts";
import type { Profile, RoundConfig } from "./round_config.ts";

/**
 * Sharing threshold t on the full graph: floor(2n/3) + 1, so that 2t > n + c holds for every c < n/3 and nobody can
 * collect t shares of both secrets of a site (Bonawitz et al. 2017, section 6); floor(n/2) + 1 in `curious`.
 */
export function defaultThreshold(n: number, profile: Profile): number {
  return profile === "curious" ? Math.max(2, Math.floor(n / 2) + 1) : Math.floor((2 * n) / 3) + 1;
}

/** Smallest number of survivors whose sum may be revealed: t, at least 3, and 80 % of the cohort from six sites on. */
export function defaultMinimumSurvivors(n: number, threshold: number): number {
  return Math.max(3, threshold, n <= 5 ? 0 : Math.ceil(0.8 * n));
}

/** Assumptions about a cohort. */
export interface RingAssumptions {
  /** Number of sites. */
  readonly n: number;
  /** Fraction of corrupt sites. */
  readonly gamma: number;
  /** Fraction of sites that may drop out. */
  readonly delta: number;
  /** Privacy fails with probability below 2^-sigma. */
  readonly sigma: number;
  /** The round fails with probability below 2^-eta. */
  readonly eta: number;
}

/** Degree and threshold of a ring. */
export interface RingParams {
  /** Even number k of neighbours. */
  readonly degree: number;
  /** Sharing threshold t, the smallest that is private. */
  readonly threshold: number;
  /** Largest threshold that the expected dropouts still meet. */
  readonly largestThreshold: number;
}

/** Keeps floor and ceil of gamma n on the intended side of representation error. */
const TINY = 1e-12;

function counts({ n, gamma, delta }: RingAssumptions): { corrupt: number; dropped: number; alive: number } {
  return {
    corrupt: Math.floor(gamma * n + TINY),
    dropped: Math.floor(delta * n + TINY),
    alive: Math.ceil((1 - delta) * n - TINY),
  };
}

/** Union bound on disconnection: n (n-k-1) / 2 * C(bad, k) / C(n, k) < 2^-(sigma+1), for dropouts at random. */
function staysConnected(n: number, degree: number, bad: number, sigma: number): boolean {
  if (degree > bad) return true;
  const log = Math.log(n) + Math.log(n - degree - 1) - Math.LN2 + logFactorial(bad) +
    logFactorial(n - degree) -
    logFactorial(n) - logFactorial(bad - degree);
  return log < -(sigma + 1) * Math.LN2;
}

/**
 * Smallest ring of SecAgg+ (Bell et al. 2020, section 3) when dropouts do not depend on the graph.
 * @param semiMalicious true if the server may lie after the keys are fixed: 2t must exceed k plus the corrupt
 * neighbours, so that t shares of both secrets of a site cannot exist
 * @returns undefined if only the full graph will do
 */
export function randomDropoutRing(a: RingAssumptions, semiMalicious: boolean): RingParams | undefined {
  const { n } = a;
  const { corrupt, dropped, alive } = counts(a);
  for (let degree = 2; degree < n - 1; degree += 2) {
    if (!staysConnected(n, degree, corrupt + dropped, a.sigma)) continue;
    const corruptNeighbours = upperQuantile(n, corrupt, degree, 2 ** -(a.sigma + 1) / n);
    const floor = semiMalicious ? Math.ceil((corruptNeighbours + degree - 1.25) / 2) : corruptNeighbours;
    const largestThreshold = lowerQuantile(n, alive, degree, 2 ** -a.eta / n);
    if (largestThreshold > floor) return { degree, threshold: Math.max(floor + 1, 2), largestThreshold };
  }
  return undefined;
}

/** Smallest threshold of a ring that no choice of dropouts can cut: k/2 + c + 1, c corrupt in a window of k/2. */
function targetedThreshold(n: number, degree: number, corrupt: number, sigma: number): number {
  return degree / 2 + upperQuantile(n, corrupt, degree / 2, 2 ** -(sigma + 1) / n) + 1;
}

/**
 * Smallest ring that stays connected whatever sites the server drops. Cutting a ring takes k/2 consecutive sites that
 * are not honest; the honest site beside them sees at most k/2 + c live neighbours, so it stops if t > k/2 + c. With
 * sigma = 80, 40 bits remain for a server that tries many rosters to steer the permutation.
 * @returns undefined if only the full graph will do
 */
export function targetedDropoutRing(a: RingAssumptions): RingParams | undefined {
  const { corrupt, alive } = counts(a);
  for (let degree = 2; degree < a.n - 1; degree += 2) {
    const threshold = targetedThreshold(a.n, degree, corrupt, a.sigma);
    const largestThreshold = lowerQuantile(a.n, alive, degree, 2 ** -a.eta / a.n);
    if (threshold <= largestThreshold) return { degree, threshold, largestThreshold };
  }
  return undefined;
}

/** Privacy bits of the ring outside `curious`: 40 for the statement, 40 against grinding of the permutation. */
const TARGETED_SIGMA = 80;
const CURIOUS_SIGMA = 40;
const ETA = 20;

/** What the privacy of a ring depends on besides its size and degree. */
type RingPrivacy = Pick<RoundConfig, "profile" | "gammaMillionths" | "colluders">;

/** Corrupt sites that a roster of n is sized for: the fraction gamma of it, and never fewer than the colluders. */
export function assumedCorrupt(n: number, config: RingPrivacy): number {
  return Math.max(Math.floor((config.gammaMillionths / 1e6) * n + TINY), config.colluders);
}

/** Smallest threshold that is private on a ring of this degree over n sites. */
export function smallestRingThreshold(n: number, degree: number, config: RingPrivacy): number {
  const corrupt = assumedCorrupt(n, config);
  return config.profile === "curious"
    ? Math.max(2, upperQuantile(n, corrupt, degree, 2 ** -(CURIOUS_SIGMA + 1) / n) + 1)
    : targetedThreshold(n, degree, corrupt, TARGETED_SIGMA);
}

/** True if a ring of this degree and the configured threshold is private for a roster of n sites. */
export function ringIsSafe(
  n: number,
  degree: number,
  config: RingPrivacy & Pick<RoundConfig, "threshold">,
): boolean {
  return config.threshold >= smallestRingThreshold(n, degree, config);
}

/** What {@link graphParams} decides from. */
export interface CohortAssumptions {
  /** Number of sites. */
  readonly n: number;
  /** Threat model. */
  readonly profile: Profile;
  /** Fraction of corrupt sites; default 0.1. */
  readonly gamma?: number;
  /** Fraction of sites that may drop out; default 0.1. */
  readonly delta?: number;
  /** Coordinates of the vector; default 0. Up to 255 sites the full graph is kept for vectors up to 10^6. */
  readonly dimension?: number;
}

/** Graph and thresholds of a cohort. */
export interface CohortParams {
  /** Who shares with whom. */
  readonly graph: Graph;
  /** Sharing threshold t. */
  readonly threshold: number;
  /** Suggested smallest number of survivors. */
  readonly nMin: number;
}

/**
 * Graph, sharing threshold and smallest cohort: the full graph up to 64 sites, and up to 255 sites for vectors of at
 * most 10^6 coordinates; the ring of {@link targetedDropoutRing} with sigma = 80 (of {@link randomDropoutRing} in
 * `curious`) beyond; the full graph again where no ring exists.
 */
export function graphParams(cohort: CohortAssumptions): CohortParams {
  const { n, profile, gamma = 0.1, delta = 0.1, dimension = 0 } = cohort;
  const small = n <= 64 || (n <= 255 && dimension <= 1_000_000);
  const ring = small
    ? undefined
    : profile === "curious"
    ? randomDropoutRing({ n, gamma, delta, sigma: CURIOUS_SIGMA, eta: ETA }, false)
    : targetedDropoutRing({ n, gamma, delta, sigma: TARGETED_SIGMA, eta: ETA });
  if (ring === undefined) {
    const threshold = defaultThreshold(n, profile);
    return { graph: { kind: "full" }, threshold, nMin: defaultMinimumSurvivors(n, threshold) };
  }
  const { degree, threshold } = ring;
  return { graph: { kind: "ring", degree }, threshold, nMin: Math.ceil((1 - delta) * n - TINY) };
}
