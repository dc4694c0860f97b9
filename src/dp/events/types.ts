/**
 * Which datasets count as neighbours. `replace_special` swaps a record for a public empty one ("zero-out").
 */
export type Neighboring = "add_or_remove_one" | "replace_one" | "replace_special";

/** Nothing is released. */
export interface NoOpEvent {
  /** Tag. */
  readonly type: "no_op";
}

/** A release without any protection: every accountant answers epsilon = Infinity. */
export interface NonPrivateEvent {
  /** Tag. */
  readonly type: "non_private";
}

/**
 * Gaussian mechanism; under `replace_one` the sensitivity doubles, since `sigma` is relative to the clip
 * bound.
 */
export interface GaussianEvent {
  /** Tag. */
  readonly type: "gaussian";
  /** Noise multiplier: standard deviation divided by the clip bound (L2). */
  readonly sigma: number;
}

/** Laplace mechanism. */
export interface LaplaceEvent {
  /** Tag. */
  readonly type: "laplace";
  /** Scale divided by the L1 clip bound. */
  readonly b: number;
}

/** Discrete Laplace mechanism: Pr[x] proportional to e^{-a |x|} over the integers. */
export interface DiscreteLaplaceEvent {
  /** Tag. */
  readonly type: "discrete_laplace";
  /** Decay per integer step. */
  readonly a: number;
  /** Integer sensitivity. */
  readonly sensitivity: number;
}

/** Discrete Gaussian mechanism (Canonne, Kamath, Steinke 2020). */
export interface DiscreteGaussianEvent {
  /** Tag. */
  readonly type: "discrete_gaussian";
  /** Parameter sigma in grid units. */
  readonly sigma: number;
  /** L2 sensitivity in grid units. */
  readonly sensitivity: number;
  /** Number of coordinates; the exact distribution (PLD) is known for 1 only. Default 1. */
  readonly dimension?: number;
}

/** Sum of independent discrete Gaussian shares (Kairouz, Liu, Steinke 2021). */
export interface SumOfDiscreteGaussiansEvent {
  /** Tag. */
  readonly type: "sum_of_discrete_gaussians";
  /** Sigma of each share in grid units. */
  readonly local_sigma: number;
  /** Number of shares. */
  readonly num_shares: number;
  /** L2 sensitivity in grid units. */
  readonly l2_sensitivity: number;
  /** L1 sensitivity in grid units. */
  readonly l1_sensitivity: number;
  /** Number of coordinates. */
  readonly dimension: number;
}

/** Symmetric Skellam mechanism (Agarwal, Kairouz, Liu 2021). */
export interface SkellamEvent {
  /** Tag. */
  readonly type: "skellam";
  /** Variance in squared grid units. */
  readonly variance: number;
  /** L2 sensitivity in grid units. */
  readonly l2_sensitivity: number;
  /** L1 sensitivity in grid units. */
  readonly l1_sensitivity: number;
  /** Number of coordinates. Default 1. */
  readonly dimension?: number;
}

/** A (xi, rho)-zCDP mechanism: RDP(alpha) <= xi + rho alpha (Bun and Steinke 2016). */
export interface ZcdpEvent {
  /** Tag. */
  readonly type: "zcdp";
  /** The rho of zero-concentrated DP. */
  readonly rho: number;
  /** The additive xi. */
  readonly xi: number;
}

/** An (epsilon, delta)-DP mechanism of which nothing else is known. */
export interface EpsilonDeltaEvent {
  /** Tag. */
  readonly type: "eps_delta";
  /** Its epsilon. */
  readonly epsilon: number;
  /** Its delta. */
  readonly delta: number;
}

/** Randomised response over buckets: with probability `noise_parameter` a uniform bucket is reported. */
export interface RandomizedResponseEvent {
  /** Tag. */
  readonly type: "randomized_response";
  /** Probability of a uniformly random answer. */
  readonly noise_parameter: number;
  /** Number of possible answers. */
  readonly num_buckets: number;
}

/** Exponential mechanism: epsilon-bounded range. */
export interface ExponentialEvent {
  /** Tag. */
  readonly type: "exponential";
  /** Its epsilon. */
  readonly epsilon: number;
}

/** Permute-and-flip mechanism. */
export interface PermuteAndFlipEvent {
  /** Tag. */
  readonly type: "permute_and_flip";
  /** Its epsilon. */
  readonly epsilon: number;
}

/**
 * Gaussian noise on a sum to which a unit adds a random amount: `sensitivities[i]` with chance `probs[i]`.
 */
export interface MixtureOfGaussiansEvent {
  /** Tag. */
  readonly type: "mixture_of_gaussians";
  /** Noise multiplier. */
  readonly sigma: number;
  /** Possible contributions, in clip bounds. */
  readonly sensitivities: readonly number[];
  /** Their probabilities; they sum to 1. */
  readonly probs: readonly number[];
}

/** Poisson sampling cut to a largest batch, then the Gaussian mechanism. */
export interface TruncatedPoissonGaussianEvent {
  /** Tag. */
  readonly type: "truncated_poisson_gaussian";
  /** Number of units in the dataset. */
  readonly dataset_size: number;
  /** Sampling probability. */
  readonly q: number;
  /** Largest batch kept. */
  readonly truncated_batch_size: number;
  /** Noise multiplier. */
  readonly sigma: number;
}

/** Tree aggregation (DP-FTRL): one unit is in each tree once. */
export interface TreeEvent {
  /** Tag. */
  readonly type: "tree";
  /** Noise multiplier of each node. */
  readonly sigma: number;
  /** Leaves of one tree, or of each tree where it restarts. */
  readonly step_counts: number | readonly number[];
}

/** A mechanism on a Poisson sample: each unit is in with chance `q`, independently. */
export interface PoissonEvent {
  /** Tag. */
  readonly type: "poisson";
  /** Sampling probability. */
  readonly q: number;
  /** What runs on the sample. */
  readonly event: DpEvent;
}

/** A mechanism on a fixed-size sample; the inner `sigma` is relative to the replace-one sensitivity. */
export interface SampleWithoutReplacementEvent {
  /** Tag. */
  readonly type: "sample_without_replacement";
  /** Number of units in the dataset. */
  readonly dataset_size: number;
  /** Number of units drawn. */
  readonly sample_size: number;
  /** What runs on the sample. */
  readonly event: DpEvent;
}

/** The best of a random number of repetitions is published (Papernot and Steinke 2022). */
export interface RepeatAndSelectEvent {
  /** Tag. */
  readonly type: "repeat_and_select";
  /** Mean number of repetitions. */
  readonly mean: number;
  /** Shape of the truncated negative binomial, or "inf" for Poisson; 0 is logarithmic, 1 geometric. */
  readonly shape: number | "inf";
  /** What is repeated. */
  readonly event: DpEvent;
}

/** Several mechanisms on the same data. */
export interface ComposedEvent {
  /** Tag. */
  readonly type: "composed";
  /** The mechanisms. */
  readonly events: readonly DpEvent[];
}

/** One mechanism, `count` times. */
export interface SelfComposedEvent {
  /** Tag. */
  readonly type: "self_composed";
  /** The mechanism. */
  readonly event: DpEvent;
  /** How often. */
  readonly count: number;
}

/** What was released about the data, in the interchange form of the golden file: accountants interpret it. */
export type DpEvent =
  | NoOpEvent
  | NonPrivateEvent
  | GaussianEvent
  | LaplaceEvent
  | DiscreteLaplaceEvent
  | DiscreteGaussianEvent
  | SumOfDiscreteGaussiansEvent
  | SkellamEvent
  | ZcdpEvent
  | EpsilonDeltaEvent
  | RandomizedResponseEvent
  | ExponentialEvent
  | PermuteAndFlipEvent
  | MixtureOfGaussiansEvent
  | TruncatedPoissonGaussianEvent
  | TreeEvent
  | PoissonEvent
  | SampleWithoutReplacementEvent
  | RepeatAndSelectEvent
  | ComposedEvent
  | SelfComposedEvent;
