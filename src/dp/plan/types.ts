import type { DpEvent } from "../events/mod.ts";

/** Whose presence the guarantee hides. */
export type PrivacyUnit = "patient" | "record" | "image" | "site";

/** One set of units that is sampled and clipped in its own way. */
export interface DpPopulation {
  /** Name, unique in the plan. */
  readonly name: string;
  /** Whose presence is hidden. */
  readonly unit: PrivacyUnit;
  /** Probability q that a unit is in a step, by Poisson sampling; in (0, 1]. */
  readonly samplingRate: number;
  /** L2 bound C on a unit's gradient, summed over its records in the step. */
  readonly maxGradNorm: number;
  /** A unit may be at up to this many sites; all of them are charged. Default 1: "a unit at one site". */
  readonly maxSitesPerUnit?: number;
}

/** Who takes part in an aggregation, and whom the guarantee distrusts. */
export interface DpCohort {
  /** Sites invited. */
  readonly n: number;
  /** Fewest surviving sites whose sum may be unmasked; not the sharing threshold. */
  readonly nMin: number;
  /** Colluding sites c >= 1, whose noise shares count for nothing. */
  readonly colluders: number;
}

/**
 * Where the noise comes from. `strict` and `default` are secure-aggregation profiles whose sites add shares of it:
 * `strict` has the survivor-signature round, `default` allows split views. In `local` every site trains by itself for
 * some steps of DP-SGD with the whole noise in each, and releases what follows from them: the promise needs nobody
 * else's noise, so it is the same against everybody.
 */
export type AggregationProfile =
  | { readonly type: "strict" }
  | { readonly type: "default"; readonly threshold: number }
  | { readonly type: "local"; readonly stepsPerRound: number };

/** What is wanted of a plan. */
export interface DpPlanRequest {
  /** The sets. */
  readonly populations: readonly DpPopulation[];
  /** True only where a rule on a unit's own records puts it into exactly one set. */
  readonly setsAreDisjoint: boolean;
  /** Neighbouring relation; required. */
  readonly neighboring: "add_or_remove_one" | "replace_one";
  /** Number T of aggregation steps; with the profile `local` each one is `stepsPerRound` noised steps of a site. */
  readonly steps: number;
  /** Length d of the released vector. */
  readonly dimension: number;
  /** Sites. */
  readonly cohort: DpCohort;
  /** Default strict. */
  readonly profile?: AggregationProfile;
  /**
   * Public bound on the units sampled in one step over all sites, with the profile `local` at one site. It sizes the ring and is the server's divisor; more
   * units cost accuracy (coordinates may saturate), never privacy.
   */
  readonly maxUnitsPerStep: number;
  /** Delta of every guarantee. */
  readonly delta: number;
  /** Largest epsilon in the coalition view, or the noise multiplier itself. */
  readonly target: { readonly epsilon: number } | { readonly noiseMultiplier: number };
  /** Bound eta on the relative float32 error of norms, products and sums. Default 1e-3. */
  readonly floatSlack?: number;
}

/** How sums become integers. */
export interface DpEncoding {
  /** Grid units per 1, a power of two. */
  readonly scale: number;
  /** Sensitivity D in grid units: scale (1 + eta) + sqrt(d), rounded up. */
  readonly sensitivity: number;
  /** Rounding rule. */
  readonly rounding: "unbiased";
  /** Bits of the ring. */
  readonly ringBits: 32;
  /**
   * A site's coordinates saturate at this many grid units, at most (2^31 - 1) / n less 16 standard deviations of the
   * site's noise.
   */
  readonly coordinateLimit: number;
}

/** How much noise each site adds. */
export interface DpNoise {
  /** Standard deviation of the honest noise over D. */
  readonly noiseMultiplier: number;
  /** Shares h that are surely honest and present. */
  readonly honestShares: number;
  /** Variance of each site's share in squared grid units, exact. */
  readonly shareVariance: {
    /** Decimal integer. */
    readonly numerator: string;
    /** Decimal integer. */
    readonly denominator: string;
  };
  /** Its square root, for reading. */
  readonly shareStddev: number;
}

/** What one population is charged. */
export interface PopulationEvents {
  /** Name of the population. */
  readonly population: string;
  /** One aggregation step, coalition view. */
  readonly step: DpEvent;
  /** All steps, coalition view. */
  readonly schedule: DpEvent;
}

/** What one population is promised for the whole schedule, against the server and c colluding sites. */
export interface PopulationGuarantee {
  /** Name of the population. */
  readonly population: string;
  /** Whose presence is hidden. */
  readonly unit: PrivacyUnit;
  /** Upper bound by PLD. */
  readonly epsilon: number;
  /** At this delta. */
  readonly delta: number;
}

/** One plain object that fixes clip, sampling, encoding, noise and events, so that they cannot disagree. */
export interface DpPlan {
  /** Format tag. */
  readonly format: "fedkim-dp-plan/1";
  /** What was asked, with every default filled in. */
  readonly request: Required<DpPlanRequest>;
  /** Encoding. */
  readonly encoding: DpEncoding;
  /** Noise. */
  readonly noise: DpNoise;
  /** Charges. */
  readonly events: readonly PopulationEvents[];
  /** Promises. */
  readonly guarantees: readonly PopulationGuarantee[];
}
