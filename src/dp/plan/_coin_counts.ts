/** Chances smaller than this are not told apart: far less than the tail that the PLD accountant adds. */
const RAREST = 1e-25;
/** Weights below this share of the largest are cut: ten million of them together stay below {@link RAREST}. */
const CUT = 1e-33;
/** Unit roundoff of doubles. */
const ROUNDING = 2 ** -53;
/** Coins up to which every count is kept, and counts that are told apart where there are more. */
const FEW_COINS = 1024;
const MOST_COUNTS = 64;

/** A distribution over how many coins came up; the counts ascend and the chances sum to 1. */
export interface CoinCounts {
  /** Numbers of coins. */
  readonly counts: readonly number[];
  /** Their chances. */
  readonly probs: readonly number[];
}

/**
 * How many of independent coins come up. Up to 1024 coins it is the distribution itself, by convolution. Beyond, it is
 * one that lies above it: counts are moved up to 64 different ones, and the most that rounding can have taken is
 * moved to the largest, so that for every count no less than the true chance lies above it.
 * @param chances of each coin, at least one
 */
export function coinCounts(chances: readonly number[]): CoinCounts {
  const exact = chances.length <= FEW_COINS;
  const { first, probs } = exact ? { first: 0, probs: poissonBinomial(chances) } : sumOfBinomials(chances);
  // Counts whose remaining chance is below 1e-25 join the last one kept.
  let kept = probs.length;
  for (let rest = 0; kept > 1 && rest + probs[kept - 1] < RAREST; kept--) rest += probs[kept - 1];
  const all = probs.slice(0, kept);
  const width = exact ? 1 : Math.ceil(kept / MOST_COUNTS);
  const ends: number[] = [];
  for (let end = kept - 1; end >= 0; end -= width) ends.unshift(end);
  const weights = ends.map((end, i) => {
    let sum = 0;
    for (let at = i === 0 ? 0 : ends[i - 1] + 1; at <= end; at++) sum += all[at];
    return sum;
  });
  weights[weights.length - 1] += Math.max(0, 1 - weights.reduce((a, b) => a + b, 0));
  return { counts: ends.map((end) => first + end), probs: weights };
}

/** Chances of 0, 1, ..., k successes of independent coins. Source: Poisson binomial by convolution. */
function poissonBinomial(chances: readonly number[]): number[] {
  let probs = [1];
  for (const chance of chances) {
    const next = new Array<number>(probs.length + 1).fill(0);
    probs.forEach((p, i) => {
      next[i] += p * (1 - chance);
      next[i + 1] += p * chance;
    });
    probs = next;
  }
  return probs;
}

/** Chances of `first`, `first` + 1, ... */
interface Chances {
  readonly first: number;
  readonly probs: readonly number[];
}

/**
 * The same for many coins of few different chances: a binomial for each chance, and their convolution. All terms are
 * positive, and no chance is the result of more than eight roundings for each entry of the lists that it was made of;
 * all are lowered by twice that share.
 */
function sumOfBinomials(chances: readonly number[]): Chances {
  const often = new Map<number, number>();
  for (const chance of chances) often.set(chance, (often.get(chance) ?? 0) + 1);
  let sum: Chances = { first: 0, probs: [1] };
  let entries = 0;
  for (const [chance, coins] of often) {
    const one = binomial(coins, chance);
    sum = convolved(sum, one);
    entries += one.probs.length + sum.probs.length;
  }
  const lowered = 1 - 16 * ROUNDING * entries;
  return { first: sum.first, probs: sum.probs.map((p) => p * lowered) };
}

/** Binomial chances around the mode by their ratios, without those that are next to nothing. */
function binomial(coins: number, chance: number): Chances {
  if (chance === 1) return { first: coins, probs: [1] };
  const odds = chance / (1 - chance);
  const mode = Math.min(coins, Math.floor((coins + 1) * chance));
  const up: number[] = [];
  for (let k = mode, w = 1; k <= coins && w >= CUT; k++, w *= ((coins - k + 1) / k) * odds) up.push(w);
  const down: number[] = [];
  for (let k = mode, w = 1; k > 0; k--) {
    w *= k / ((coins - k + 1) * odds);
    if (w < CUT) break;
    down.push(w);
  }
  const weights = [...down.reverse(), ...up];
  const total = weights.reduce((a, b) => a + b, 0);
  return { first: mode - down.length, probs: weights.map((w) => w / total) };
}

/** Chances of the sum of two independent numbers. */
function convolved(a: Chances, b: Chances): Chances {
  const probs = new Float64Array(a.probs.length + b.probs.length - 1);
  for (let i = 0; i < a.probs.length; i++) {
    for (let j = 0; j < b.probs.length; j++) probs[i + j] += a.probs[i] * b.probs[j];
  }
  const most = probs.reduce((x, y) => Math.max(x, y), 0);
  let low = 0;
  while (probs[low] < CUT * most) low++;
  return { first: a.first + b.first + low, probs: [...probs.subarray(low)] };
}
