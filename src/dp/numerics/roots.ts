/**
 * Halves [low, high] until it is narrower than `tolerance`, keeping `holds(high)` true and `holds(low)`
 * false.
 * @returns the final [low, high]; the caller picks the side that is safe
 */
export function bisect(
  low: number,
  high: number,
  tolerance: number,
  holds: (x: number) => boolean,
): [number, number] {
  while (high - low > tolerance) {
    const middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return [low, high];
}

/** Minimum of a unimodal function on [low, high] by golden-section search; returns the best point seen. */
export function goldenSection(
  low: number,
  high: number,
  steps: number,
  f: (x: number) => number,
): { readonly x: number; readonly value: number } {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let x1 = high - ratio * (high - low);
  let x2 = low + ratio * (high - low);
  let f1 = f(x1);
  let f2 = f(x2);
  for (let i = 0; i < steps; i++) {
    if (f1 <= f2) {
      high = x2;
      [x2, f2] = [x1, f1];
      x1 = high - ratio * (high - low);
      f1 = f(x1);
    } else {
      low = x1;
      [x1, f1] = [x2, f2];
      x2 = low + ratio * (high - low);
      f2 = f(x2);
    }
  }
  return f1 <= f2 ? { x: x1, value: f1 } : { x: x2, value: f2 };
}
