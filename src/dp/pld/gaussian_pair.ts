import { erfc } from "../numerics/mod.ts";
import { type ContinuousPair, normalReach, type Tails } from "./pairs.ts";

/**
 * P = N(mu, 1), Q = N(0, 1): L is N(mu^2/2, mu^2) under P and N(-mu^2/2, mu^2) under Q.
 * Source: Balle and Wang 2018, Lemma 3.
 * @param mu sensitivity divided by the standard deviation
 */
export function gaussianPair(mu: number): ContinuousPair {
  const half = (mu * mu) / 2;
  const scale = 1 / (mu * Math.SQRT2);
  return {
    kind: "continuous",
    range: (tail) => [-half - mu * normalReach(tail), half + mu * normalReach(tail)],
    tails(loss, out) {
      const p = (loss - half) * scale;
      const q = (loss + half) * scale;
      const pTail = 0.5 * erfc(Math.abs(p));
      const qTail = 0.5 * erfc(Math.abs(q));
      out.pBelow = p < 0 ? pTail : 1 - pTail;
      out.pAbove = p < 0 ? 1 - pTail : pTail;
      out.qBelow = q < 0 ? qTail : 1 - qTail;
      out.qAbove = q < 0 ? 1 - qTail : qTail;
    },
  };
}

/** Normal components of a one-dimensional mixture with unit variance. */
export interface Component {
  /** Weight. */
  readonly weight: number;
  /** Mean, in standard deviations. */
  readonly mean: number;
}

function mixtureTails(parts: readonly Component[], x: number): [number, number] {
  let below = 0;
  let above = 0;
  for (const { weight, mean } of parts) {
    const z = (x - mean) * Math.SQRT1_2;
    const tail = 0.5 * erfc(Math.abs(z));
    below += weight * (z < 0 ? tail : 1 - tail);
    above += weight * (z < 0 ? 1 - tail : tail);
  }
  return [below, above];
}

/** ln of sum w e^{m x - m^2/2}, the density over N(0, 1), and its derivative in x. */
function logRatio(parts: readonly Component[], x: number): [number, number] {
  let high = -Infinity;
  for (const { weight, mean } of parts) {
    high = Math.max(high, Math.log(weight) + mean * x - (mean * mean) / 2);
  }
  let sum = 0;
  let slope = 0;
  for (const { weight, mean } of parts) {
    const term = weight * Math.exp(mean * x - (mean * mean) / 2 - high);
    sum += term;
    slope += term * mean;
  }
  return [high + Math.log(sum), slope / sum];
}

/** Chances below this are left out: e^-log(chance) would overflow, and the tail that is added is far larger. */
const LIGHTEST = 2 ** -1022;

/**
 * P and Q are mixtures of unit-variance normals, every mean of P at or above every mean of Q, so that the
 * loss grows with x. Source: Choquette-Choo et al. 2024 (mixture of Gaussians mechanisms).
 */
export function mixturePair(upper: readonly Component[], lower: readonly Component[]): ContinuousPair {
  const [p, q] = [upper, lower].map((parts) => parts.filter((c) => c.weight >= LIGHTEST));
  const lossAt = (x: number): [number, number] => {
    const [a, aSlope] = logRatio(p, x);
    const [b, bSlope] = logRatio(q, x);
    return [a - b, aSlope - bSlope];
  };
  let left = 0;
  let right = 0;
  let guess = 0;
  const inverse = (loss: number): number => {
    let [low, high] = [left, right];
    let x = Math.min(Math.max(guess, low), high);
    for (let i = 0; i < 200; i++) {
      const [value, slope] = lossAt(x);
      if (value <= loss) low = x;
      else high = x;
      const next = x - (value - loss) / slope;
      const inside = next > low && next < high;
      const following = inside ? next : (low + high) / 2;
      if (Math.abs(following - x) <= 1e-14 * Math.max(1, Math.abs(x))) break;
      x = following;
    }
    guess = x;
    return x;
  };
  return {
    kind: "continuous",
    costly: p.length + q.length > 4,
    range(tail) {
      // Only where P has mass: lighter components than `tail` end up at infinity with it.
      const means = p.filter((c) => c.weight >= tail).map((c) => c.mean);
      left = Math.min(...means) - normalReach(tail) - 1;
      right = Math.max(...means) + normalReach(tail) + 1;
      return [lossAt(left + 1)[0], lossAt(right - 1)[0]];
    },
    tails(loss: number, out: Tails) {
      const x = loss <= lossAt(left)[0] ? left : loss >= lossAt(right)[0] ? right : inverse(loss);
      [out.pBelow, out.pAbove] = mixtureTails(p, x);
      [out.qBelow, out.qAbove] = mixtureTails(q, x);
    },
  };
}
