import { DiscreteGaussianSampler, WordSource } from "../../src/dp/mod.ts";
import { correlation } from "../correlation.ts";

/** How much the time of the noise sampler says of what it has drawn. */
export interface SamplerTiming {
  /** Draws, one at a time. */
  readonly draws: number;
  /** Correlation of a draw's nanoseconds with its size. */
  readonly timeBySize: number;
  /** Correlation of the random words that a draw took with its size: the same without the clock's noise. */
  readonly wordsBySize: number;
  /** Vectors of {@link SamplerTiming.dimension} draws. */
  readonly batches: number;
  /** Coordinates of a vector. */
  readonly dimension: number;
  /** Correlation of a vector's nanoseconds with its mean size. */
  readonly batchTimeBySize: number;
  /** Correlation of a vector's words with its mean size. */
  readonly batchWordsBySize: number;
  /** Correlation of a vector's words with its sum along a fixed direction: what noise hides. */
  readonly batchWordsAlong: number;
  /** Standard error of a correlation of nothing over the batches. */
  readonly standardError: number;
}

/** Counts the words that are taken. */
class CountedWords extends WordSource {
  /** Words so far. */
  taken = 0;
  /** The next word. */
  override word(): number {
    this.taken++;
    return super.word();
  }
}

/** Measures one draw at a time and whole vectors. */
export function measureSamplerTiming(draws: number, batches: number, dimension: number): SamplerTiming {
  const words = new CountedWords();
  const sampler = new DiscreteGaussianSampler({ numerator: 1_000_000n * 1_000_000n, denominator: 1n }, words);
  for (let i = 0; i < 50_000; i++) sampler.sample();
  const size = new Float64Array(draws), time = new Float64Array(draws), taken = new Float64Array(draws);
  for (let i = 0; i < draws; i++) {
    const before = words.taken;
    const start = nanoseconds();
    const value = sampler.sample();
    time[i] = nanoseconds() - start;
    size[i] = Math.abs(value);
    taken[i] = words.taken - before;
  }
  // Interrupts and refills of the buffer say nothing of the value: the slowest hundredth is left out.
  const limit = [...time].sort((a, b) => a - b)[Math.floor(0.99 * draws)];
  const kept = [...time.keys()].filter((i) => time[i] <= limit);
  const batchTime: number[] = [], batchSize: number[] = [], batchWords: number[] = [], along: number[] = [];
  for (let b = 0; b < batches; b++) {
    const before = words.taken;
    const start = nanoseconds();
    let total = 0, signed = 0;
    for (let i = 0; i < dimension; i++) {
      const value = sampler.sample();
      total += Math.abs(value);
      signed += (i % 3 - 1) * value;
    }
    batchTime.push(nanoseconds() - start);
    batchWords.push(words.taken - before);
    batchSize.push(total / dimension);
    along.push(signed);
  }
  return {
    draws,
    timeBySize: correlation(kept.map((i) => time[i]), kept.map((i) => size[i])),
    wordsBySize: correlation(taken, size),
    batches,
    dimension,
    batchTimeBySize: correlation(batchTime, batchSize),
    batchWordsBySize: correlation(batchWords, batchSize),
    batchWordsAlong: correlation(batchWords, along),
    standardError: 1 / Math.sqrt(batches),
  };
}

/** Nanoseconds since some fixed moment. */
function nanoseconds(): number {
  return performance.now() * 1e6;
}
