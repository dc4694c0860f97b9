import {
  clipFactor,
  decodeSum,
  type DpEvent,
  type DpPlan,
  encodeUpdate,
  poissonSample,
  type RandomBytes,
  squaredNorm,
  viewEvent,
} from "../../src/dp/mod.ts";
import { initServerOptimizer, serverStep } from "../../src/federation/mod.ts";
import {
  flatten,
  type LocalWeights,
  perUnitGradients,
  type SetFeatures,
  taskScores,
  unflatten,
  units,
} from "../../src/local/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { union } from "../local/_simulation.ts";
import { type Bound, boundOf, type Scored, type Separation, separation } from "./_statistics.ts";
import { CLIP, planFor, RATE, SET, TASK, type World } from "./_world.ts";

/** Steps of an attacked run. */
export const STEPS = 50;
/** What the server sees: a site's own vector, or only the sum of all. */
export const VIEWS = ["site", "sum"] as const;
/** One of {@link VIEWS}. */
export type View = typeof VIEWS[number];

/** Attacks on one setting; scores of all runs together. */
export interface MembershipRow {
  /** Epsilon of the plan (coalition view); undefined without DP: no clip, no noise. */
  readonly epsilon: number | undefined;
  /** What the server sees. */
  readonly view: View;
  /** Gradient score of an attacker who knows the target's record and public data. */
  readonly gradient: Separation;
  /** The best score of one who knows everybody else's records and coins; undefined where it is exact. */
  readonly informed: Separation | undefined;
  /** The same for a gradient at the clip bound in every step, simulated: the most that any attack can do. */
  readonly worst: Separation | undefined;
  /** Loss of the trained model. */
  readonly loss: Separation;
  /** What the plan promises in this view; undefined without DP. */
  readonly bound: Bound | undefined;
}

type Scores = Record<View, { gradient: Scored; informed: Scored }> & { loss: Scored };

function emptyScores(): Scores {
  const none = (): Scored => ({ members: [], others: [] });
  const view = () => ({ gradient: none(), informed: none() });
  return { site: view(), sum: view(), loss: none() };
}

/** The event of what the server sees of one patient in a run. */
export function viewedEvent(plan: DpPlan, view: View): DpEvent {
  const { n } = plan.request.cohort;
  if (view === "sum") return viewEvent(plan, SET, "server", n);
  const sigma = plan.noise.shareStddev / plan.encoding.sensitivity;
  const event: DpEvent = { type: "poisson", q: RATE, event: { type: "gaussian", sigma } };
  return { type: "self_composed", event, count: plan.request.steps };
}

/** All attacks at one epsilon, for both views. */
export async function attackMembership(
  world: World,
  epsilon: number | undefined,
  runs: number,
  bytes: RandomBytes,
): Promise<MembershipRow[]> {
  const plan = epsilon === undefined ? undefined : planFor(world, epsilon, STEPS);
  const scores = emptyScores();
  for (let run = 0; run < runs; run++) await attackRun(world, plan, scores, bytes);
  return VIEWS.map((view) => ({
    epsilon,
    view,
    gradient: separation(scores[view].gradient),
    informed: plan === undefined ? undefined : separation(scores[view].informed),
    worst: plan === undefined ? undefined : separation(worstCase(plan, view)),
    loss: separation(scores.loss),
    bound: plan === undefined ? undefined : boundOf(viewedEvent(plan, view)),
  }));
}

/** One training run on a random half of the patients, scored at every step as the server could. */
async function attackRun(
  world: World,
  plan: DpPlan | undefined,
  into: Scores,
  bytes: RandomBytes,
): Promise<void> {
  const { spec, start, dimension, sites } = world;
  const all = union(sites.map(({ features }) => ({ sets: new Map([[SET, features]]) })))
    .sets.get(SET) as SetFeatures;
  const names = units(all);
  const siteOf = names.map((name) => Number(name.split("/")[0]));
  const isMember = new Set(poissonSample(names, 0.5, bytes));
  const members = names.flatMap((name, i) => isMember.has(name) ? [i] : []);
  const anchor = flatten(spec, start);
  let flat: Float64Array = anchor.slice();
  let state = initServerOptimizer(dimension);
  const gradientScore = { site: new Float64Array(names.length), sum: new Float64Array(names.length) };
  const ratio = { site: new Float64Array(names.length), sum: new Float64Array(names.length) };
  for (let step = 0; step < STEPS; step++) {
    const weights = unflatten(spec, start, flat);
    const own = await clippedGradients(world, weights, all, plan !== undefined);
    const known = meanOf(
      await clippedGradients(world, weights, world.publicPart.features, plan !== undefined),
    );
    const sampled = poissonSample(members, RATE, bytes);
    const sums = sites.map(() => new Float64Array(dimension));
    for (const i of sampled) own[i].forEach((value, k) => sums[siteOf[i]][k] += value);
    const seen = plan === undefined ? sums : release(plan, sums, bytes);
    const whole = total(seen);
    const noise = seen.map((vector, s) => vector.map((value, k) => value - sums[s][k]));
    const wholeNoise = total(noise);
    const drawn = new Set(sampled);
    const expected = sites.map((_, s) => siteOf.filter((site) => site === s).length * RATE / 2);
    own.forEach((gradient, i) => {
      const length = Math.sqrt(squaredNorm(gradient));
      if (length === 0) return;
      const along = dot(known, gradient) / length;
      const at = siteOf[i];
      gradientScore.site[i] += dot(seen[at], gradient) / length - expected[at] * along;
      gradientScore.sum[i] += dot(whole, gradient) / length - names.length * RATE / 2 * along;
      if (plan === undefined) return;
      const tau = plan.noise.shareStddev / plan.encoding.scale;
      const present = drawn.has(i) ? length : 0;
      ratio.site[i] += logRatio(present + dot(noise[at], gradient) / length, length, tau);
      ratio.sum[i] += logRatio(
        present + dot(wholeNoise, gradient) / length,
        length,
        tau * Math.sqrt(sites.length),
      );
    });
    ({ state, parameters: flat } = serverStep(OPTIMIZER, state, flat, anchor, whole));
  }
  const before = await losses(world, start, all);
  const after = await losses(world, unflatten(spec, start, flat), all);
  names.forEach((name, i) => {
    const side = isMember.has(name) ? "members" : "others";
    for (const view of VIEWS) {
      into[view].gradient[side].push(gradientScore[view][i]);
      into[view].informed[side].push(ratio[view][i]);
    }
    into.loss[side].push(before[i] - after[i]);
  });
}

/** Trials on either side of {@link worstCase}. */
const SIMULATED = 400_000;

/** Likelihood ratios of whole runs for a unit whose gradient always has length 1, all else known. */
function worstCase(plan: DpPlan, view: View): Scored {
  const random = new SeededRandom(17);
  const shares = view === "sum" ? plan.request.cohort.n : 1;
  const tau = Math.sqrt(shares) * plan.noise.shareStddev / plan.encoding.scale;
  const run = (isIn: boolean): number => {
    let ratio = 0;
    for (let step = 0; step < STEPS; step++) {
      const present = isIn && random.next() < RATE ? 1 : 0;
      ratio += logRatio(present + tau * random.normal(), 1, tau);
    }
    return ratio;
  };
  return {
    members: Array.from({ length: SIMULATED }, () => run(true)),
    others: Array.from({ length: SIMULATED }, () => run(false)),
  };
}

/** The server's rule, the product's default. */
export const OPTIMIZER = {
  name: "fedadam",
  learningRate: 0.02,
  beta1: 0.9,
  beta2: 0.99,
  adaptivity: 1e-8,
  anchorDecay: 0,
  decaySteps: STEPS,
} as const;

/** Every unit's gradient over C, clipped to 1 or as it is. */
async function clippedGradients(
  { spec }: World,
  weights: LocalWeights,
  set: SetFeatures,
  clipping: boolean,
): Promise<Float64Array[]> {
  const gradients: Float64Array[] = [];
  await perUnitGradients(spec, weights, set, units(set), (gradient) => {
    const factor = clipping ? clipFactor(squaredNorm(gradient), gradient.length, CLIP) : 1;
    gradients.push(gradient.map((value) => value * factor / CLIP));
  });
  return gradients;
}

/** What the server decodes of each site's vector. */
function release(plan: DpPlan, sums: readonly Float64Array[], bytes: RandomBytes): Float64Array[] {
  return sums.map((sum) => decodeSum(plan, encodeUpdate(plan, sum, bytes)));
}

/** Log-likelihood ratio of one step with Poisson sampling. */
function logRatio(value: number, length: number, tau: number): number {
  return Math.log1p(RATE * Math.expm1((value * length - length * length / 2) / tau ** 2));
}

/** Cross-entropy of every unit, mean over its records. */
async function losses({ spec }: World, weights: LocalWeights, set: SetFeatures): Promise<Float64Array> {
  const { scores, labels, records } = await taskScores(spec, weights, set, TASK);
  const loss = new Map<number, number>();
  records.forEach((row, i) => {
    const signed = labels[i] === 1 ? scores[i] : -scores[i];
    loss.set(row, Math.log1p(Math.exp(-Math.abs(signed))) + Math.max(0, -signed));
  });
  return Float64Array.from(
    units(set).map((unit) => {
      const rows = set.rowsOf.get(unit) as readonly number[];
      return rows.reduce((sum, row) => sum + (loss.get(row) ?? 0), 0) / rows.length;
    }),
  );
}

function meanOf(vectors: readonly Float64Array[]): Float64Array {
  return total(vectors).map((value) => value / vectors.length);
}

function total(vectors: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(vectors[0].length);
  for (const vector of vectors) vector.forEach((value, k) => sum[k] += value);
  return sum;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}
