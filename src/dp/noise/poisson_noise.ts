import { FedKimError } from "../../formats/errors.ts";
import type { RandomBytes } from "../../formats/random_bytes.ts";
import type { Rational } from "./discrete_gaussian.ts";
import { WordSource } from "./word_source.ts";

const TWO53 = 2 ** 53;
/**
 * Error allowed for the cumulative probabilities in double precision; a hundred times what recurrences can
 * lose.
 */
const MARGIN = 1e-10;
/**
 * Bound on either cut tail of the exact weights, in their unit: weights fall below one unit more than 13
 * deviations out and shrink there by a factor below 1 - 13/sqrt(mean), so the rest is below sqrt(2^21)/13 +
 * 1 units.
 */
const CUT_TAIL = 1n << 16n;
/** Larger means would make the table and its exact fallback slow. */
const LARGEST_MEAN = 2 ** 21;

/**
 * Exact Poisson sampler by inversion. A uniform U is read bit by bit; the first 53 bits and a table of
 * cumulative probabilities decide, unless U is within 1e-10 of a step of the table: then big integers with
 * outward rounding decide, on as many further bits of U as it takes.
 */
export class PoissonSampler {
  readonly #words: WordSource;
  readonly #numerator: bigint;
  readonly #denominator: bigint;
  readonly #first: number;
  readonly #cumulative: Float64Array;

  /**
   * Builds the table.
   * @param mean exact rational
   * @throws FedKimError ConfigError unless 0 < mean <= 2^21
   */
  constructor(mean: Rational, words: WordSource) {
    this.#words = words;
    this.#numerator = BigInt(mean.numerator);
    this.#denominator = BigInt(mean.denominator);
    const lambda = Number(this.#numerator) / Number(this.#denominator);
    if (this.#numerator <= 0n || this.#denominator <= 0n || !(lambda > 0 && lambda <= LARGEST_MEAN)) {
      throw new FedKimError("ConfigError", "The mean of the Poisson noise is out of range.", {
        found: `${lambda}`,
        needed: "above 0 and at most 2^21",
        remedy: "use the discrete Gaussian for wider noise",
      });
    }
    const { first, weights } = weightsAround(lambda);
    let total = 0;
    for (const weight of weights) total += weight;
    let sum = 0;
    this.#first = first;
    this.#cumulative = weights.map((weight) => (sum += weight) / total);
  }

  /** One sample. */
  sample(): number {
    const prefix = this.#words.integer53();
    const u = prefix / TWO53;
    const table = this.#cumulative;
    let low = 0;
    let high = table.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (table[middle] > u) high = middle;
      else low = middle + 1;
    }
    const clear = u + MARGIN < table[low] && (low === 0 ? u : u - table[low - 1]) > MARGIN;
    return clear ? this.#first + low : this.#exact(BigInt(prefix), 53n);
  }

  /**
   * Inversion with big integers: weights relative to the mode, lower and upper sums, more bits until
   * decided.
   */
  #exact(prefix: bigint, prefixBits: bigint): number {
    let bits = 128n;
    while (prefixBits < bits) {
      prefix = (prefix << 32n) | BigInt(this.#words.word());
      prefixBits += 32n;
    }
    for (;; bits *= 2n) {
      const { first, low, high } = this.#weights(bits);
      const totalLow = low.reduce((a, b) => a + b);
      const totalHigh = high.reduce((a, b) => a + b) + 2n * CUT_TAIL;
      let sumLow = 0n;
      let sumHigh = first === 0 ? 0n : CUT_TAIL;
      const uLow = prefix;
      const uHigh = prefix + 1n;
      for (let i = 0; i < low.length; i++) {
        const beforeHigh = sumHigh;
        sumLow += low[i];
        sumHigh += high[i];
        // Certainly at or above the step before, certainly below this one.
        const above = (i === 0 && first === 0) || uLow * totalLow >= (beforeHigh << prefixBits);
        if (above && uHigh * totalHigh <= (sumLow << prefixBits)) return first + i;
      }
      while (prefixBits < bits * 2n) {
        prefix = (prefix << 32n) | BigInt(this.#words.word());
        prefixBits += 32n;
      }
    }
  }

  /**
   * Lower and upper bounds of the weights in units of 2^-bits of the mode's, until they vanish on both
   * sides.
   */
  #weights(bits: bigint): { first: number; low: bigint[]; high: bigint[] } {
    const mode = this.#numerator / this.#denominator;
    const one = 1n << bits;
    const up: [bigint, bigint][] = [[one, one]];
    for (let k = mode + 1n; up[up.length - 1][1] > 1n; k++) {
      const [low, high] = up[up.length - 1];
      const below = k * this.#denominator;
      up.push([(low * this.#numerator) / below, (high * this.#numerator) / below + 1n]);
    }
    const down: [bigint, bigint][] = [];
    let [low, high] = [one, one];
    let k = mode;
    for (; k > 0n && high > 1n; k--) {
      [low, high] = [
        (low * k * this.#denominator) / this.#numerator,
        (high * k * this.#denominator) / this.#numerator + 1n,
      ];
      down.push([low, high]);
    }
    const all = [...down.reverse(), ...up];
    return { first: Number(k), low: all.map((w) => w[0]), high: all.map((w) => w[1]) };
  }
}

/** Poisson weights around the mode, down to 1e-30 of it. */
function weightsAround(lambda: number): { first: number; weights: Float64Array } {
  const mode = Math.floor(lambda);
  const up: number[] = [];
  for (let k = mode, w = 1; w > 1e-30; w *= lambda / ++k) up.push(w);
  const down: number[] = [];
  for (let k = mode, w = 1; k > 0; k--) {
    w *= k / lambda;
    if (w < 1e-30) break;
    down.push(w);
  }
  return { first: mode - down.length, weights: Float64Array.from([...down.reverse(), ...up]) };
}

/**
 * Adds independent symmetric Skellam samples, the difference of two Poisson variables, to `ring`, modulo
 * 2^32. Sums of Skellam shares are exactly Skellam, whatever the number of survivors.
 * @param variance variance of the noise, twice the Poisson mean
 */
export function addSkellam(ring: Uint32Array, variance: Rational, randomBytes: RandomBytes): void {
  const mean = { numerator: variance.numerator, denominator: 2n * BigInt(variance.denominator) };
  const sampler = new PoissonSampler(mean, new WordSource(randomBytes));
  for (let i = 0; i < ring.length; i++) ring[i] += sampler.sample() - sampler.sample();
}
