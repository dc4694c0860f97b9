/** Twiddle factors e^{-2 pi i k / n}, k < 3n/4, one table per transform size: all together twice the largest one. */
const tables = new Map<number, { readonly cos: Float64Array; readonly sin: Float64Array }>();

function twiddles(n: number): { readonly cos: Float64Array; readonly sin: Float64Array } {
  const known = tables.get(n);
  if (known) return known;
  const cos = new Float64Array(n);
  const sin = new Float64Array(n);
  const set = (k: number, c: number, s: number) => {
    cos[k & (n - 1)] = c;
    sin[k & (n - 1)] = -s;
  };
  // One octant is computed, five are mirrored; nobody reads the last two.
  const quarter = n / 4;
  for (let k = 0; k <= n / 8; k++) {
    const c = Math.cos((2 * Math.PI * k) / n);
    const s = Math.sin((2 * Math.PI * k) / n);
    if (n >= 4) {
      set(quarter - k, s, c);
      set(quarter + k, -s, c);
      set(3 * quarter - k, -s, -c);
    }
    if (n >= 2) {
      set(n / 2 - k, -c, s);
      set(n / 2 + k, -c, -s);
    }
    set(k, c, s);
  }
  tables.set(n, { cos, sin });
  return { cos, sin };
}

interface Buffers {
  re: Float64Array;
  im: Float64Array;
  spareRe: Float64Array;
  spareIm: Float64Array;
}

/** The last Stockham pass where the size is an odd power of two: sub-transforms of length 2, stride s. */
function lastPass2(b: Buffers, s: number): void {
  const { re, im, spareRe, spareIm } = b;
  for (let q = 0; q < s; q++) {
    const ar = re[q], ai = im[q], br = re[s + q], bi = im[s + q];
    spareRe[q] = ar + br;
    spareIm[q] = ai + bi;
    spareRe[s + q] = ar - br;
    spareIm[s + q] = ai - bi;
  }
}

/**
 * One radix-4 Stockham pass: sub-transform length n, stride s, twiddles out of the table of twice the size.
 */
function pass4(b: Buffers, n: number, s: number, size: number): void {
  const { re, im, spareRe, spareIm } = b;
  const quarter = n >> 2;
  const { cos, sin } = twiddles(2 * size);
  const step = 2 * s;
  const block = s * quarter;
  for (let p = 0; p < quarter; p++) {
    const w1r = cos[p * step], w1i = sin[p * step];
    const w2r = cos[2 * p * step], w2i = sin[2 * p * step];
    const w3r = cos[3 * p * step], w3i = sin[3 * p * step];
    let from = s * p;
    let to = 4 * s * p;
    for (const end = from + s; from < end; from++, to++) {
      const ar = re[from], ai = im[from];
      const br = re[from + block], bi = im[from + block];
      const cr = re[from + 2 * block], ci = im[from + 2 * block];
      const dr = re[from + 3 * block], di = im[from + 3 * block];
      const sr = ar + cr, si = ai + ci, tr = ar - cr, ti = ai - ci;
      const ur = br + dr, ui = bi + di, vr = br - dr, vi = bi - di;
      spareRe[to] = sr + ur;
      spareIm[to] = si + ui;
      const xr = tr + vi, xi = ti - vr;
      spareRe[to + s] = w1r * xr - w1i * xi;
      spareIm[to + s] = w1r * xi + w1i * xr;
      const yr = sr - ur, yi = si - ui;
      spareRe[to + 2 * s] = w2r * yr - w2i * yi;
      spareIm[to + 2 * s] = w2r * yi + w2i * yr;
      const zr = tr - vi, zi = ti + vr;
      spareRe[to + 3 * s] = w3r * zr - w3i * zi;
      spareIm[to + 3 * s] = w3r * zi + w3i * zr;
    }
  }
}

/** Forward complex transform by Stockham passes (self-sorting, no bit reversal); length a power of two. */
function transform(b: Buffers): void {
  const size = b.re.length;
  let n = size;
  let s = 1;
  while (n > 1) {
    if (n % 4 === 0) {
      pass4(b, n, s, size);
      n >>= 2;
      s <<= 2;
    } else {
      lastPass2(b, s);
      n >>= 1;
      s <<= 1;
    }
    [b.re, b.spareRe] = [b.spareRe, b.re];
    [b.im, b.spareIm] = [b.spareIm, b.im];
  }
}

/** Half spectrum of a real signal of length n: entries 0 to n/2. */
export interface Spectrum {
  /** Real parts, length n/2 + 1. */
  readonly re: Float64Array;
  /** Imaginary parts, length n/2 + 1. */
  readonly im: Float64Array;
}

/** Discrete Fourier transform of a real signal whose length is a power of two >= 4. */
export function realTransform(signal: Float64Array): Spectrum {
  const half = signal.length >> 1;
  const b: Buffers = {
    re: new Float64Array(half),
    im: new Float64Array(half),
    spareRe: new Float64Array(half),
    spareIm: new Float64Array(half),
  };
  for (let j = 0; j < half; j++) {
    b.re[j] = signal[2 * j];
    b.im[j] = signal[2 * j + 1];
  }
  transform(b);
  const re = new Float64Array(half + 1);
  const im = new Float64Array(half + 1);
  const { cos, sin } = twiddles(signal.length);
  for (let k = 0; k <= half; k++) {
    const a = k % half;
    const c = (half - k) % half;
    const evenR = 0.5 * (b.re[a] + b.re[c]), evenI = 0.5 * (b.im[a] - b.im[c]);
    const oddR = 0.5 * (b.im[a] + b.im[c]), oddI = 0.5 * (b.re[c] - b.re[a]);
    re[k] = evenR + cos[k] * oddR - sin[k] * oddI;
    im[k] = evenI + cos[k] * oddI + sin[k] * oddR;
  }
  return { re, im };
}

/** Inverse of {@link realTransform}. */
export function inverseRealTransform(spectrum: Spectrum): Float64Array {
  const half = spectrum.re.length - 1;
  const { cos, sin } = twiddles(2 * half);
  const b: Buffers = {
    re: new Float64Array(half),
    im: new Float64Array(half),
    spareRe: new Float64Array(half),
    spareIm: new Float64Array(half),
  };
  const { re, im } = spectrum;
  for (let k = 0; k < half; k++) {
    const c = half - k;
    const evenR = 0.5 * (re[k] + re[c]), evenI = 0.5 * (im[k] - im[c]);
    const dr = 0.5 * (re[k] - re[c]), di = 0.5 * (im[k] + im[c]);
    const oddR = cos[k] * dr + sin[k] * di, oddI = cos[k] * di - sin[k] * dr;
    // The conjugate goes in, so that the forward transform yields the conjugate of the inverse.
    b.re[k] = evenR - oddI;
    b.im[k] = -(evenI + oddR);
  }
  transform(b);
  const out = new Float64Array(2 * half);
  for (let j = 0; j < half; j++) {
    out[2 * j] = b.re[j] / half;
    out[2 * j + 1] = -b.im[j] / half;
  }
  return out;
}
