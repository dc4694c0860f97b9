import { FedKimError } from "../../formats/errors.ts";
import type { RandomBytes } from "../../formats/random_bytes.ts";
import { belowExpMinus } from "./exact_exp.ts";
import { WordSource } from "./word_source.ts";

/** A positive rational number, exact. */
export interface Rational {
  /** Numerator, as an integer or its decimal text. */
  readonly numerator: bigint | string;
  /** Denominator, as an integer or its decimal text. */
  readonly denominator: bigint | string;
}

const TWO32 = 2 ** 32;
/**
 * Relative error allowed for a probability computed in double precision; a million times what it really is.
 */
const MARGIN = 2 ** -31;
/** Larger standard deviations would leave the 32-bit ring. */
const LARGEST_STDDEV = 2 ** 26;

/**
 * Exact sampler of the discrete Gaussian N_Z(0, variance). Source: Canonne, Kamath, Steinke 2020,
 * Algorithms 1 to 3, with the scale t of the discrete Laplace proposal a power of two near sigma (any t is
 * correct; Lemma 10 there).
 *
 * Exactness: every coin Bernoulli(exp(-g)), g rational, is the event U < exp(-g) for a uniform U read bit
 * by bit. The first 32 bits of U confine it to an interval of width 2^-32; exp(-g) in double precision,
 * widened by a relative margin of 2^-31 that is far above the error of the argument and of Math.exp, is an
 * interval too. Where the two are disjoint the answer is certain. Otherwise (about once in a billion coins)
 * integer arithmetic with outward rounding decides, reading as many more bits of U as needed. No
 * probability is ever rounded.
 */
export class DiscreteGaussianSampler {
  readonly #words: WordSource;
  readonly #numerator: bigint;
  readonly #denominator: bigint;
  readonly #variance: number;
  readonly #shift: number;
  readonly #scale: number;
  readonly #centre: number;

  /**
   * Prepares the proposal scale.
   * @param variance the parameter sigma^2 as an exact rational; the variance is at most this
   * @param words where the random bits come from
   * @throws FedKimError ConfigError unless 0 < sigma < 2^26
   */
  constructor(variance: Rational, words: WordSource) {
    this.#words = words;
    this.#numerator = BigInt(variance.numerator);
    this.#denominator = BigInt(variance.denominator);
    this.#variance = Number(this.#numerator) / Number(this.#denominator);
    const sigma = Math.sqrt(this.#variance);
    if (this.#numerator <= 0n || this.#denominator <= 0n || !(sigma > 0 && sigma < LARGEST_STDDEV)) {
      throw new FedKimError("ConfigError", "The variance of the discrete Gaussian is out of range.", {
        found: `a standard deviation of ${sigma} grid units`,
        needed: "above 0 and below 2^26",
        remedy: "choose a smaller encoding scale",
      });
    }
    this.#shift = Math.max(0, Math.round(Math.log2(sigma)));
    this.#scale = 2 ** this.#shift;
    this.#centre = this.#variance / this.#scale;
  }

  /** One sample. */
  sample(): number {
    const words = this.#words;
    const t = this.#scale;
    for (;;) {
      const bits = words.word();
      // One word holds the low part of the magnitude and, in its top bit, the sign.
      const low = this.#shift === 0 ? 0 : (bits & 0x7fffffff) >>> (31 - this.#shift);
      if (!this.#coinLinear(low)) continue;
      let high = 0;
      while (this.#coinLinear(t)) high++;
      const size = low + t * high;
      const negative = bits >>> 31 === 1;
      if (negative && size === 0) continue;
      if (this.#coinFinal(size)) return negative ? -size : size;
    }
  }

  /** Bernoulli(exp(-low / t)). */
  #coinLinear(low: number): boolean {
    const first = this.#words.word();
    const p = Math.exp(-low / this.#scale) * TWO32;
    const margin = p * MARGIN;
    if (first + 1 <= p - margin) return true;
    if (first >= p + margin) return false;
    return belowExpMinus(first, BigInt(low), BigInt(this.#scale), () => this.#words.word());
  }

  /** Bernoulli(exp(-(size - variance/t)^2 / (2 variance))). */
  #coinFinal(size: number): boolean {
    const first = this.#words.word();
    const offset = size - this.#centre;
    const p = Math.exp((-offset * offset) / (2 * this.#variance)) * TWO32;
    const margin = p * MARGIN;
    if (first + 1 <= p - margin) return true;
    // first = 0 is left to integers, since p may have underflowed to zero.
    if (first > 0 && first >= p + margin) return false;
    const t = BigInt(this.#scale);
    const distance = BigInt(size) * t * this.#denominator - this.#numerator;
    const below = 2n * this.#numerator * this.#denominator * t * t;
    return belowExpMinus(first, distance * distance, below, () => this.#words.word());
  }
}

/**
 * Adds independent discrete Gaussian samples to every element of `ring`, modulo 2^32.
 * @param ring changed in place
 */
export function addDiscreteGaussian(ring: Uint32Array, variance: Rational, randomBytes: RandomBytes): void {
  const sampler = new DiscreteGaussianSampler(variance, new WordSource(randomBytes));
  for (let i = 0; i < ring.length; i++) ring[i] += sampler.sample();
}

/** Fills `out` with independent discrete Gaussian samples. */
export function sampleDiscreteGaussian(
  out: Int32Array | Float64Array,
  variance: Rational,
  randomBytes: RandomBytes,
): void {
  const sampler = new DiscreteGaussianSampler(variance, new WordSource(randomBytes));
  for (let i = 0; i < out.length; i++) out[i] = sampler.sample();
}
