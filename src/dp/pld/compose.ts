import { inverseRealTransform, realTransform, type Spectrum } from "../numerics/mod.ts";
import { LossDistribution } from "./loss_distribution.ts";
import { composedWindow, type CountedLoss, type Window } from "./window.ts";

/** Composition of privacy losses and what the numerics cost. */
export interface ComposedLoss {
  /** The composed distribution. */
  readonly loss: LossDistribution;
  /** Mass cut from the upper tail; already added to the mass at infinity. */
  readonly tailMass: number;
  /** Sum of the negative values that the inverse transform left and that were raised to zero. */
  readonly transformNoise: number;
}

/**
 * Spectra by transform size, per discretised loss: a ledger that charges the same step again pays nothing
 * here. Sizes are powers of two: all together hold no more than twice the largest one.
 */
const spectra = new WeakMap<LossDistribution, Map<number, Spectrum>>();

function spectrumOf(loss: LossDistribution, size: number): Spectrum {
  const known = spectra.get(loss) ?? new Map<number, Spectrum>();
  spectra.set(loss, known);
  let spectrum = known.get(size);
  if (spectrum === undefined) {
    // Indices are taken modulo the size, so no offset has to be carried through the powers.
    const folded = new Float64Array(size);
    let at = ((loss.lowest % size) + size) % size;
    for (const mass of loss.masses) {
      folded[at] += mass;
      at = at + 1 === size ? 0 : at + 1;
    }
    spectrum = realTransform(folded);
    known.set(size, spectrum);
  }
  return spectrum;
}

/** Multiplies `into` by the count-th power of `factor`; a magnitude below 1e-30 is nothing. */
function multiplyPower(into: Spectrum, factor: Spectrum, count: number): void {
  for (let k = 0; k < into.re.length; k++) {
    const r = into.re[k];
    const i = into.im[k];
    if (r === 0 && i === 0) continue;
    const a = factor.re[k];
    const b = factor.im[k];
    const size = a * a + b * b;
    const logPower = 0.5 * count * Math.log(size);
    if (!(logPower > -70)) {
      into.re[k] = 0;
      into.im[k] = 0;
      continue;
    }
    const power = Math.exp(logPower);
    const angle = count * Math.atan2(b, a);
    const c = power * Math.cos(angle);
    const s = power * Math.sin(angle);
    into.re[k] = r * c - i * s;
    into.im[k] = r * s + i * c;
  }
}

/** Grid points of the composition: the caller coarsens the grid where this is too large. */
export function composedSize(parts: readonly CountedLoss[], tail: number): { window: Window; size: number } {
  const window = composedWindow(parts, tail);
  let size = 1024;
  while (size < window.high - window.low + 1) size *= 2;
  return { window, size };
}

/**
 * Composes losses on one grid: spectra are raised to their counts and multiplied, one inverse transform at
 * the end. Mass beyond the window wraps around: from above into lower losses, so `tail` is added at
 * infinity; from below into higher losses, which only over-states the loss.
 */
export function composeLosses(
  parts: readonly CountedLoss[],
  tail: number,
  { window, size }: { window: Window; size: number },
): ComposedLoss {
  const into: Spectrum = { re: new Float64Array(size / 2 + 1).fill(1), im: new Float64Array(size / 2 + 1) };
  let logFinite = 0;
  for (const { loss, count } of parts) {
    multiplyPower(into, spectrumOf(loss, size), count);
    logFinite += count * Math.log1p(-Math.min(1, loss.infinityMass));
  }
  const circular = inverseRealTransform(into);
  const masses = new Float64Array(window.high - window.low + 1);
  let transformNoise = 0;
  let at = ((window.low % size) + size) % size;
  for (let i = 0; i < masses.length; i++) {
    const value = circular[at];
    if (value > 0) masses[i] = value;
    else transformNoise -= value;
    at = at + 1 === size ? 0 : at + 1;
  }
  const infinityMass = Math.min(1, -Math.expm1(logFinite) + tail);
  const loss = new LossDistribution(parts[0].loss.interval, window.low, masses, infinityMass);
  return { loss, tailMass: tail, transformNoise };
}
