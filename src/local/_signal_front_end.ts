import type { SignalValue } from "./dataset.ts";

/** Everything is brought to this rate, in Hz. */
const RATE = 100;
/** Samples of a patch (one second, about one heart beat) and of a window (ten seconds). */
const PATCH = 100;
const WINDOW = 1000;
/** Frequencies of a patch: 1 to 15 Hz; of a window: 0.1 to 19.9 Hz. */
const PATCH_BINS = 15;
const WINDOW_BINS = 199;
/** Features of a patch: spectrum, steepest and mean slope, highest, lowest, spread. */
export const PATCH_FEATURES = PATCH_BINS + 5;
/** Order statistics over patches: least, quartiles, greatest. */
const RANKS = [0, 0.25, 0.5, 0.75, 1];

/** Number of features that patches give. */
export const SIGNAL_PATCHES = PATCH_FEATURES * RANKS.length;
/** Number of features that the whole window's spectrum gives. */
export const SIGNAL_SPECTRUM = WINDOW_BINS;

/**
 * Two views of a waveform of any rate, length and number of leads (averaged over leads): how one-second
 * patches differ among each other (order statistics of each patch's windowed log spectrum, slopes and
 * extremes: one odd beat among ten shows in the greatest), and the log spectrum of ten-second windows
 * (rhythm).
 */
export function signalFeatures(signal: SignalValue): Float32Array[] {
  const patches = new Float32Array(SIGNAL_PATCHES);
  const spectrum = new Float32Array(SIGNAL_SPECTRUM);
  for (let lead = 0; lead < signal.leads; lead++) {
    const wave = standardised(resample(signal, lead));
    addScaled(patches, patchStatistics(wave), 1 / signal.leads);
    addScaled(spectrum, windowSpectrum(wave), 1 / signal.leads);
  }
  return [patches, spectrum];
}

/** The features of every one-second patch of every lead, at least one patch. */
export function signalPatches(signal: SignalValue): Float32Array[][] {
  return Array.from({ length: signal.leads }, (_, lead) => patchesOf(standardised(resample(signal, lead))));
}

/** One lead at 100 Hz: box means where the rate falls, linear interpolation where it rises. */
function resample(signal: SignalValue, lead: number): Float32Array {
  const { samples, leads, data } = signal;
  const step = signal.sampleRateHz / RATE;
  const length = Math.max(1, Math.round(samples / step));
  const half = Math.max(0, (step - 1) / 2);
  return Float32Array.from({ length }, (_, index) => {
    const centre = index * step + half;
    const from = Math.max(0, Math.ceil(centre - half - 1e-9));
    const to = Math.min(samples - 1, Math.floor(centre + half + 1e-9));
    if (half > 0 && to >= from) {
      let sum = 0;
      for (let at = from; at <= to; at++) sum += data[at * leads + lead];
      return sum / (to - from + 1);
    }
    const low = Math.min(samples - 1, Math.floor(centre));
    const high = Math.min(samples - 1, low + 1);
    const share = centre - low;
    return data[low * leads + lead] * (1 - share) + data[high * leads + lead] * share;
  });
}

/** Zero mean and unit variance, so that amplifier gain and baseline do not matter; a flat line stays flat. */
function standardised(wave: Float32Array): Float32Array {
  let mean = 0;
  for (const value of wave) mean += value / wave.length;
  let variance = 0;
  for (const value of wave) variance += (value - mean) ** 2 / wave.length;
  const scale = 1 / (Math.sqrt(variance) + 1);
  return wave.map((value) => (value - mean) * scale);
}

function patchStatistics(wave: Float32Array): Float32Array {
  const features = patchesOf(wave);
  const count = features.length;
  const out = new Float32Array(SIGNAL_PATCHES);
  const column = new Float32Array(count);
  for (let feature = 0; feature < PATCH_FEATURES; feature++) {
    for (let index = 0; index < count; index++) column[index] = features[index][feature];
    column.sort();
    RANKS.forEach((rank, index) => {
      out[feature * RANKS.length + index] = column[Math.min(count - 1, Math.floor(rank * count))];
    });
  }
  return out;
}

function patchesOf(wave: Float32Array): Float32Array[] {
  const count = Math.max(1, Math.floor(wave.length / PATCH));
  return Array.from({ length: count }, (_, index) => patchFeatures(wave.subarray(index * PATCH)));
}

function patchFeatures(from: Float32Array): Float32Array {
  const patch = new Float32Array(PATCH);
  patch.set(from.subarray(0, PATCH));
  const out = new Float32Array(PATCH_FEATURES);
  logMagnitudes(patch, PATCH_BASIS, out);
  let steepest = 0, slope = 0, high = -Infinity, low = Infinity, mean = 0, square = 0;
  for (let index = 0; index < PATCH; index++) {
    const value = patch[index];
    if (index > 0) {
      const change = Math.abs(value - patch[index - 1]);
      steepest = Math.max(steepest, change);
      slope += change / (PATCH - 1);
    }
    high = Math.max(high, value);
    low = Math.min(low, value);
    mean += value / PATCH;
    square += value * value / PATCH;
  }
  out.set([steepest, slope, high, low, Math.sqrt(Math.max(0, square - mean * mean))], PATCH_BINS);
  return out;
}

/**
 * Mean log spectrum of consecutive ten-second windows; a shorter wave is one window, padded with its mean
 * 0.
 */
function windowSpectrum(wave: Float32Array): Float32Array {
  const count = Math.max(1, Math.floor(wave.length / WINDOW));
  const sum = new Float32Array(WINDOW_BINS);
  const one = new Float32Array(WINDOW_BINS);
  for (let index = 0; index < count; index++) {
    const window = new Float32Array(WINDOW);
    window.set(wave.subarray(index * WINDOW, Math.min(wave.length, (index + 1) * WINDOW)));
    logMagnitudes(window, WINDOW_BASIS, one);
    addScaled(sum, one, 1 / count);
  }
  return sum;
}

interface Basis {
  readonly cosine: Float32Array[];
  readonly sine: Float32Array[];
}

/** Rows of the discrete Fourier transform, tapered by a Hann window where asked. */
function basis(length: number, bins: number, taper: boolean): Basis {
  const row = (bin: number, wave: (angle: number) => number): Float32Array => {
    return Float32Array.from({ length }, (_, t) => {
      const weight = taper ? 0.5 - 0.5 * Math.cos((2 * Math.PI * t) / (length - 1)) : 1;
      return weight * wave((2 * Math.PI * (bin + 1) * t) / length);
    });
  };
  return {
    cosine: Array.from({ length: bins }, (_, bin) => row(bin, Math.cos)),
    sine: Array.from({ length: bins }, (_, bin) => row(bin, Math.sin)),
  };
}

const PATCH_BASIS = basis(PATCH, PATCH_BINS, true);
const WINDOW_BASIS = basis(WINDOW, WINDOW_BINS, false);

function logMagnitudes(wave: Float32Array, { cosine, sine }: Basis, out: Float32Array): void {
  for (let bin = 0; bin < cosine.length; bin++) {
    const c = cosine[bin], s = sine[bin];
    let real = 0, imaginary = 0;
    for (let t = 0; t < wave.length; t++) {
      real += c[t] * wave[t];
      imaginary += s[t] * wave[t];
    }
    out[bin] = Math.log1p(Math.hypot(real, imaginary));
  }
}

function addScaled(into: Float32Array, values: Float32Array, scale: number): void {
  for (let index = 0; index < into.length; index++) into[index] += scale * values[index];
}
