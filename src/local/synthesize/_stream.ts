import { SeededRandom } from "../../tensor/seeded_random.ts";

/** FNV-1a over the UTF-16 code units of a text, started from `basis`. */
function fnv1a(text: string, basis: number): number {
  let hash = basis >>> 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}

/**
 * A random stream of its own for one thing (a patient, an image), named by its path. What one patient looks like
 * then never depends on how many others were asked for.
 */
export function streamOf(seed: number, ...path: (string | number)[]): SeededRandom {
  const name = `${seed}/${path.join("/")}`;
  return new SeededRandom((fnv1a(name, 0x811c9dc5) & 0x1fffff) * 4294967296 + fnv1a(name, 0x9747b28c));
}

/** Value limited to [low, high]. */
export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** The logistic function. */
export function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** One item of a list, each equally likely. */
export function pick<T>(random: SeededRandom, items: readonly T[]): T {
  return items[random.integer(items.length)];
}

/** Value rounded to so many decimals, as a hospital's system stores it. */
export function rounded(value: number, decimals: number): number {
  const unit = 10 ** decimals;
  return Math.round(value * unit) / unit;
}
