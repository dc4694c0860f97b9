import { SeededRandom } from "../../../tensor/seeded_random.ts";

const SAMPLE = 4096;

/** Statistics of one channel, collected value by value in constant memory. */
export class Summary {
  #count = 0;
  #missing = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;
  readonly #sample: number[] = [];
  // The choice of the sample is no secret: it only draws the histogram that stays at the site.
  readonly #random = new SeededRandom(1);

  /** Adds a value; NaN = missing. */
  add(value: number): void {
    if (Number.isNaN(value)) {
      this.#missing++;
      return;
    }
    this.#count++;
    this.#sum += value;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
    // Reservoir sampling (Vitter 1985, algorithm R).
    if (this.#sample.length < SAMPLE) this.#sample.push(value);
    else {
      const at = Math.floor(this.#random.next() * this.#count);
      if (at < SAMPLE) this.#sample[at] = value;
    }
  }

  /** Values seen. */
  get count(): number {
    return this.#count;
  }

  /** Missing values seen. */
  get missing(): number {
    return this.#missing;
  }

  /** Mean. */
  get mean(): number {
    return this.#sum / this.#count;
  }

  /** Smallest value. */
  get min(): number {
    return this.#min;
  }

  /** Largest value. */
  get max(): number {
    return this.#max;
  }

  /** Quantile of the sample. */
  quantile(level: number): number {
    const sorted = [...this.#sample].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(level * sorted.length))];
  }

  /** Shares of the sample in equal bins from `low` to `high`; what lies outside counts for the outer bins. */
  histogram(low: number, high: number, bins: number): number[] {
    const counts = new Array<number>(bins).fill(0);
    const width = high > low ? (high - low) / bins : 1;
    for (const value of this.#sample) {
      counts[Math.min(bins - 1, Math.max(0, Math.floor((value - low) / width)))] += 1 / this.#sample.length;
    }
    return counts;
  }
}
