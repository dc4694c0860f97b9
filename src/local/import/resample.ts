/** Zero crossings of the kernel on each side: 16 keep the stop band below -70 dB with a Blackman window. */
const HALF_WIDTH = 16;
/** Times are rounded to this part of an input sample, so that kernels can be kept. */
const PHASES = 1 << 16;
const MOST_KERNELS = 4096;

/**
 * Band-limited resampling by a windowed sinc (Blackman window), cut off at the lower of the two Nyquist rates, each
 * output normalised to unit gain at zero frequency.
 */
export class Resampler {
  readonly #ratio: number;
  readonly #cutoff: number;
  readonly #kernels = new Map<number, Float64Array>();

  /**
   * Prepares one pair of rates.
   *
   * @param fromHz rate of the input
   * @param toHz rate of the output
   */
  constructor(fromHz: number, toHz: number) {
    this.#ratio = fromHz / toHz;
    this.#cutoff = Math.min(1, toHz / fromHz);
  }

  /** Input samples that an output needs on each side of its own time. */
  get margin(): number {
    return Math.ceil(HALF_WIDTH / this.#cutoff);
  }

  /**
   * The input's stretch that gives `count` outputs.
   *
   * @param first time of the first output, in input samples
   * @param count number of outputs
   * @returns first sample and one after the last; may lie outside the recording
   */
  needs(first: number, count: number): readonly [number, number] {
    const last = first + (count - 1) * this.#ratio;
    return [Math.floor(first) - this.margin, Math.ceil(last) + this.margin + 1];
  }

  /**
   * Resamples.
   *
   * @param input samples; what lies outside is left out of the kernel
   * @param inputStart position of `input[0]`
   * @param first time of the first output, in input samples
   * @param count number of outputs
   */
  run(input: Float64Array, inputStart: number, first: number, count: number): Float64Array {
    const out = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const time = first + i * this.#ratio - inputStart;
      const nearest = Math.floor(time);
      const weights = this.#weights(time - nearest);
      const from = Math.max(0, nearest - this.margin);
      const to = Math.min(input.length - 1, nearest + this.margin + 1);
      let sum = 0;
      let total = 0;
      for (let j = from; j <= to; j++) {
        const weight = weights[j - nearest + this.margin];
        sum += weight * input[j];
        total += weight;
      }
      out[i] = sum / total;
    }
    return out;
  }

  /** Kernel of an output that lies `fraction` after an input sample; rational rates have few of them. */
  #weights(fraction: number): Float64Array {
    const key = Math.round(fraction * PHASES);
    const known = this.#kernels.get(key);
    if (known !== undefined) return known;
    const weights = Float64Array.from(
      { length: 2 * this.margin + 2 },
      (_, index) => kernel((index - this.margin - key / PHASES) * this.#cutoff),
    );
    if (this.#kernels.size < MOST_KERNELS) this.#kernels.set(key, weights);
    return weights;
  }
}

function kernel(x: number): number {
  if (Math.abs(x) >= HALF_WIDTH) return 0;
  if (x === 0) return 1;
  const phase = Math.PI * x / HALF_WIDTH;
  const window = 0.42 + 0.5 * Math.cos(phase) + 0.08 * Math.cos(2 * phase);
  return Math.sin(Math.PI * x) / (Math.PI * x) * window;
}
