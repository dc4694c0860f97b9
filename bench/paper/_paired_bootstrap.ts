import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import type { TaskTruth } from "./_outcome.ts";

/** Scores by task of one seed's model. */
export type Scores = ReadonlyMap<string, readonly number[]>;

/** A figure with its 95 % interval. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Runs it is the mean of. */
  readonly seeds: number;
}

/** How resamples are drawn. */
export interface ResamplingOptions {
  readonly resamples: number;
  readonly seed: number;
}

/** 1000 resamples. */
export const RESAMPLING: ResamplingOptions = { resamples: 1000, seed: 1 };

/**
 * AUROC with a weight per record (how often it was drawn), ties counting one half.
 * @param order record indices by rising score
 * @returns undefined when one class is absent
 */
export function weightedAuroc(
  scores: readonly number[],
  labels: readonly number[],
  weights: Float64Array,
  order: readonly number[],
): number | undefined {
  let negatives = 0, positives = 0, pairs = 0;
  for (let begin = 0; begin < order.length;) {
    let end = begin, tiedNegatives = 0, tiedPositives = 0;
    while (end < order.length && scores[order[end]] === scores[order[begin]]) {
      const row = order[end++];
      if (labels[row] === 1) tiedPositives += weights[row];
      else tiedNegatives += weights[row];
    }
    pairs += tiedPositives * (negatives + tiedNegatives / 2);
    negatives += tiedNegatives;
    positives += tiedPositives;
    begin = end;
  }
  return positives === 0 || negatives === 0 ? undefined : pairs / (positives * negatives);
}

/** One model's scores of one task, ready to be resampled. */
interface Ranked {
  readonly scores: readonly number[];
  readonly order: readonly number[];
}

/**
 * The mean AUROC over tasks and seeds, or the difference of two methods' means, with a percentile interval. Every
 * resample draws people (all records of a person together, the same people for all tasks of a set) and seeds, the same
 * for both methods: Efron and Tibshirani 1993, section 13.3, paired.
 *
 * @param truth labels and people by task
 * @param tasks whose mean is meant
 * @param first one entry per seed
 * @param second what is subtracted; its seeds stand in the same order
 * @returns value and interval
 */
export function pairedBootstrap(
  truth: Readonly<Record<string, TaskTruth>>,
  tasks: readonly string[],
  first: readonly Scores[],
  second?: readonly Scores[],
  { resamples, seed }: ResamplingOptions = RESAMPLING,
): Interval {
  const random = new SeededRandom(seed);
  const rank = (runs: readonly Scores[]): Ranked[][] =>
    runs.map((run) => tasks.map((task) => rankedOf(run, task)));
  const ranked = { first: rank(first), second: second === undefined ? undefined : rank(second) };
  const labels = tasks.map((task) => truth[task].labels.map(Number));
  const everyone = drawer(truth, tasks);
  const figure = (weights: readonly Float64Array[], seeds: readonly number[]): number | undefined => {
    const mean = (runs: readonly Ranked[][]): number | undefined => {
      let sum = 0;
      for (const index of seeds) {
        for (const [t, { scores, order }] of runs[index].entries()) {
          const value = weightedAuroc(scores, labels[t], weights[t], order);
          if (value === undefined) return undefined;
          sum += value / (seeds.length * tasks.length);
        }
      }
      return sum;
    };
    const one = mean(ranked.first);
    if (ranked.second === undefined || one === undefined) return one;
    const two = mean(ranked.second);
    return two === undefined ? undefined : one - two;
  };
  const all = labels.map((own) => new Float64Array(own.length).fill(1));
  const value = figure(all, first.map((_, index) => index)) ?? NaN;
  const drawn: number[] = [];
  for (let resample = 0; resample < resamples; resample++) {
    const seeds = first.map(() => random.integer(first.length));
    const found = figure(everyone(random), seeds);
    if (found !== undefined) drawn.push(found);
  }
  drawn.sort((a, b) => a - b);
  const at = (share: number): number =>
    drawn[Math.min(drawn.length - 1, Math.floor(share * drawn.length))] ?? NaN;
  return { value, low: at(0.025), high: at(0.975), seeds: first.length };
}

function rankedOf(run: Scores, task: string): Ranked {
  const scores = run.get(task) ?? [];
  const order = scores.map((_, row) => row).sort((a, b) => scores[a] - scores[b]);
  return { scores, order };
}

/** Draws people with replacement within every set and gives each record the number of times its person came up. */
function drawer(
  truth: Readonly<Record<string, TaskTruth>>,
  tasks: readonly string[],
): (random: SeededRandom) => Float64Array[] {
  const people = new Map<string, string[]>();
  for (const task of tasks) {
    const { set, people: own } = truth[task];
    people.set(set, [...new Set([...people.get(set) ?? [], ...own])]);
  }
  return (random) => {
    const counts = new Map([...people].map(([set, all]) => {
      const count = new Map<string, number>();
      for (let draw = 0; draw < all.length; draw++) {
        const person = all[random.integer(all.length)];
        count.set(person, (count.get(person) ?? 0) + 1);
      }
      return [set, count] as const;
    }));
    return tasks.map((task) => {
      const count = counts.get(truth[task].set)!;
      return Float64Array.from(truth[task].people, (person) => count.get(person) ?? 0);
    });
  };
}
