import {
  accountedClaim,
  type ClaimedCurve,
  clipFactor,
  createPlan,
  decodeSum,
  type DpPlan,
  type DpPopulation,
  drawInclusion,
  encodeUpdate,
  fdpEpsilon,
  fdpPValue,
  type GuessCounts,
  guessFromScores,
  poissonSample,
  type RandomBytes,
} from "../../src/dp/mod.ts";

/** Canaries, each a gradient of its own direction, three clip bounds long. */
export const CANARIES = 13_000;
const GUESSES = 1040;
const DELTA = 1e-5;
/** How long a canary's gradient is, in clip bounds. */
const LENGTH = 3;

/** A plan that is audited. */
export interface Setting {
  /** Name for the table. */
  readonly name: string;
  /** Whose presence is hidden. */
  readonly unit: DpPopulation["unit"];
  /** Noise multiplier of one step. */
  readonly noiseMultiplier: number;
  /** Poisson rate. */
  readonly samplingRate: number;
  /** Steps. */
  readonly steps: number;
  /** Sites invited, fewest survivors, colluders. */
  readonly cohort: { readonly n: number; readonly nMin: number; readonly colluders: number };
  /** Sites that hold the same unit, as the plan states it; default 1. */
  readonly sitesPerUnit?: number;
}

/** What a build does otherwise than the product. */
export interface Breakage {
  /** Noise multiplier or shares that sites use, from the plan that is claimed. */
  readonly plan?: (plan: DpPlan) => DpPlan;
  /** Records of a canary that are clipped one by one; default 1, the whole unit. */
  readonly clippedApart?: number;
  /** Gradients go in as they are. */
  readonly unclipped?: boolean;
  /** Honest sites that forget their noise. */
  readonly silentSites?: number;
  /** Who is in a step: drawn once for all steps, or everybody. */
  readonly sampling?: "once" | "everybody";
  /** The same noise in every step. */
  readonly sameNoise?: boolean;
  /** Sites at which a unit really is; default what the plan states. */
  readonly copies?: number;
  /** The curve that is claimed, where it is not the plan's own. */
  readonly claim?: (plan: DpPlan) => ClaimedCurve;
  /** Guesses, fixed beforehand for what the build does. */
  readonly guesses?: number;
  /** Guesses "in" alone: where the build tells those who are in but not those who are out. */
  readonly inOnly?: boolean;
}

/** What an audit of a setting found. */
export interface Found {
  /** Smallest significance at which the claim is refuted. */
  readonly pValue: number;
  /** Lower bound on epsilon at delta 1e-5 with confidence 0.95. */
  readonly epsilonLower: number;
  /** What the plan claims. */
  readonly epsilonUpper: number;
}

/** The plan of a setting. */
export function planOf(
  { unit, noiseMultiplier, samplingRate, steps, cohort, sitesPerUnit = 1 }: Setting,
): DpPlan {
  return createPlan({
    populations: [{ name: "canary", unit, samplingRate, maxGradNorm: 0.5, maxSitesPerUnit: sitesPerUnit }],
    setsAreDisjoint: true,
    neighboring: "add_or_remove_one",
    steps,
    dimension: CANARIES,
    cohort,
    maxUnitsPerStep: 16,
    delta: DELTA,
    target: { noiseMultiplier },
  });
}

/** Guesses of one audit, and the curve that they are held against. */
export interface Guessed {
  /** How many were right. */
  readonly counts: GuessCounts;
  /** The trade-off curve that is claimed. */
  readonly claim: ClaimedCurve;
}

/** Plans and curves take longer than audits: they are kept. */
const prepared = new Map<Setting, { readonly plan: DpPlan; readonly claim: ClaimedCurve }>();

function prepare(setting: Setting): { readonly plan: DpPlan; readonly claim: ClaimedCurve } {
  const known = prepared.get(setting);
  if (known !== undefined) return known;
  const plan = planOf(setting);
  const made = { plan, claim: accountedClaim(plan.events[0].schedule, plan.request.neighboring) };
  prepared.set(setting, made);
  return made;
}

/**
 * One run of clipping, sampling, encoding, noise and decoding by the product's own functions, and the guesses on it. The
 * attacker is the server with its colluders, in a step with the fewest survivors.
 * @param bytes coins, sampling, rounding and noise
 */
export function guessSetting(setting: Setting, broken: Breakage, bytes: RandomBytes): Guessed {
  const { plan, claim } = prepare(setting);
  const { guesses = GUESSES } = broken;
  const included = drawInclusion(CANARIES, bytes);
  const found = scores(setting, plan, broken, included, bytes);
  const claimed = broken.claim?.(plan) ?? claim;
  if (broken.inOnly !== true) return { counts: guessFromScores(found, included, guesses), claim: claimed };
  const order = included.map((_, unit) => unit).sort((a, b) => found[b] - found[a]);
  const correct = order.slice(0, guesses).filter((unit) => included[unit]).length;
  return { counts: { canaries: CANARIES, guesses, correct }, claim: claimed };
}

/** One audit of a setting: {@link guessSetting}, with the p-value and the lower bound. */
export function auditSetting(setting: Setting, broken: Breakage, bytes: RandomBytes): Found {
  const { counts, claim } = guessSetting(setting, broken, bytes);
  return {
    pValue: fdpPValue(counts, claim),
    epsilonLower: fdpEpsilon(counts, DELTA, 0.05),
    epsilonUpper: prepare(setting).plan.guarantees[0].epsilon,
  };
}

function scores(
  setting: Setting,
  plan: DpPlan,
  broken: Breakage,
  included: readonly boolean[],
  bytes: RandomBytes,
): Float64Array {
  const { cohort, steps, samplingRate } = setting;
  const built = broken.plan?.(plan) ?? plan;
  const honest = cohort.nMin - cohort.colluders;
  const members = included.flatMap((isIn, unit) => isIn ? [unit] : []);
  const copies = broken.copies ?? setting.sitesPerUnit ?? 1;
  const once = poissonSample(members, samplingRate, bytes);
  const empty = new Float64Array(CANARIES);
  const noises = (): Uint32Array[] => Array.from({ length: honest }, () => encodeUpdate(built, empty, bytes));
  const repeated = broken.sameNoise === true ? noises() : undefined;
  const sigma = plan.noise.shareStddev * Math.sqrt(honest) / plan.encoding.scale;
  const total = new Float64Array(CANARIES);
  const least = new Float64Array(CANARIES).fill(Infinity);
  const most = new Float64Array(CANARIES).fill(-Infinity);
  for (let step = 0; step < steps; step++) {
    const gradient = new Float64Array(CANARIES);
    for (let copy = 0; copy < copies; copy++) {
      const sampled = broken.sampling === "once"
        ? once
        : broken.sampling === "everybody"
        ? members
        : poissonSample(members, samplingRate, bytes);
      for (const unit of sampled) gradient[unit] += contribution(plan, broken);
    }
    const shares = repeated?.map((noise) => noise.slice()) ?? noises();
    const sum = shares[0].map(() => 0);
    shares.slice(broken.silentSites ?? 0).forEach((share) => share.forEach((word, i) => sum[i] += word));
    const { scale } = plan.encoding;
    const seen = decodeSum(plan, sum.map((word, i) => word + Math.round(gradient[i] * scale)));
    seen.forEach((value, i) => {
      // The best score of independent samples, and of one sample for all steps.
      total[i] += broken.sampling === "once" ? value : logRatio(value, sigma, samplingRate);
      least[i] = Math.min(least[i], value);
      most[i] = Math.max(most[i], value);
    });
  }
  // Noise that repeats is taken away by a difference of steps; the attacker knows the build.
  return broken.sameNoise === true ? most.map((value, i) => value - least[i]) : total;
}

/** What one canary adds to its coordinate, in clip bounds. */
function contribution(plan: DpPlan, { unclipped, clippedApart = 1 }: Breakage): number {
  const [{ maxGradNorm }] = plan.request.populations;
  if (unclipped === true) return LENGTH;
  const record = LENGTH * maxGradNorm / clippedApart;
  return clippedApart * record * clipFactor(record * record, 1, maxGradNorm) / maxGradNorm;
}

/** Log of the likelihood ratio of one coordinate, Poisson sampled or not there: the best score there is. */
function logRatio(value: number, sigma: number, q: number): number {
  return Math.log1p(q * Math.expm1((value - 0.5) / sigma ** 2));
}

/** The fewest shares: one honest site beside one that colludes. */
const COHORT = { n: 3, nMin: 2, colluders: 1 };

/** Plans of different units, noise, rates, steps and cohorts. */
export const SOUND: readonly Setting[] = [
  {
    name: "patient, one step",
    unit: "patient",
    noiseMultiplier: 1 / 0.9,
    samplingRate: 1,
    steps: 1,
    cohort: COHORT,
  },
  {
    name: "record, low epsilon",
    unit: "record",
    noiseMultiplier: 3,
    samplingRate: 1,
    steps: 1,
    cohort: COHORT,
  },
  {
    name: "image, high epsilon",
    unit: "image",
    noiseMultiplier: 0.5,
    samplingRate: 1,
    steps: 1,
    cohort: COHORT,
  },
  {
    name: "site, five steps",
    unit: "site",
    noiseMultiplier: 2.5,
    samplingRate: 1,
    steps: 5,
    cohort: { n: 10, nMin: 7, colluders: 3 },
  },
  {
    name: "patient, Poisson 0.25, six steps",
    unit: "patient",
    noiseMultiplier: 0.8,
    samplingRate: 0.25,
    steps: 6,
    cohort: COHORT,
  },
  {
    name: "patient at two sites, Poisson 0.5",
    unit: "patient",
    noiseMultiplier: 2,
    samplingRate: 0.5,
    steps: 4,
    cohort: COHORT,
    sitesPerUnit: 2,
  },
];

const [ONE_STEP] = SOUND;
const SAMPLED: Setting = { ...SOUND[4], noiseMultiplier: 1 };

/** Shares for another number of honest sites than the plan promises. */
function sharesFor(shares: number): (plan: DpPlan) => DpPlan {
  return (plan) => {
    const { numerator } = plan.noise.shareVariance;
    const wrong = BigInt(numerator) * BigInt(plan.noise.honestShares) / BigInt(shares);
    const { denominator } = plan.noise.shareVariance;
    return { ...plan, noise: { ...plan.noise, shareVariance: { numerator: `${wrong}`, denominator } } };
  };
}

/** Builds that are broken on purpose. */
export const BROKEN: readonly {
  readonly name: string;
  readonly setting: Setting;
  readonly build: Breakage;
}[] = [
  {
    name: "the only honest share of the noise is missing",
    setting: ONE_STEP,
    build: { silentSites: 1 },
  },
  { name: "the clip is not applied", setting: ONE_STEP, build: { unclipped: true } },
  { name: "each record is clipped, not the patient", setting: ONE_STEP, build: { clippedApart: 3 } },
  {
    name: "shares are sized for all n sites, not for nMin - c",
    setting: { ...ONE_STEP, cohort: { n: 10, nMin: 3, colluders: 1 } },
    build: { plan: sharesFor(10) },
  },
  { name: "half the standard deviation", setting: ONE_STEP, build: { plan: sharesFor(4) } },
  { name: "everybody is in every step", setting: SAMPLED, build: { sampling: "everybody" } },
  {
    name: "one sample is used for all steps",
    setting: { ...SAMPLED, samplingRate: 0.1, steps: 32, noiseMultiplier: 1.5 },
    build: { sampling: "once", guesses: 400, inOnly: true },
  },
  {
    name: "the same noise in every step",
    setting: SAMPLED,
    build: { sameNoise: true, guesses: 4000, inOnly: true },
  },
  { name: "a patient is at three sites, the plan says one", setting: ONE_STEP, build: { copies: 3 } },
  {
    name: "eight steps are counted as one",
    setting: { ...ONE_STEP, steps: 8 },
    build: { claim: (plan) => accountedClaim(plan.events[0].step, plan.request.neighboring) },
  },
];
