import type { ImageValue } from "./dataset.ts";

/** Side of the small whole image. */
export const IMAGE_SIDE = 32;
/** Side at which edges are looked for. */
const EDGE_SIDE = 64;
/** Cells per side and directions of the edge histogram. */
const CELLS = 8;
const DIRECTIONS = 8;
/** Number of edge features. */
export const IMAGE_EDGES = CELLS * CELLS * DIRECTIONS;

/**
 * Two views of one image, free of its size, brightness and contrast: the whole image as one 32x32 patch, and
 * the edge energy by direction in 8x8 cells (histograms of oriented gradients, Dalal and Triggs 2005).
 */
export function imageFeatures(image: ImageValue): Float32Array[] {
  const large = largeImage(image);
  return [shrink(large), edges(large)];
}

/** The whole image as one {@link IMAGE_SIDE} square, free of its size, brightness and contrast. */
export function smallImage(image: ImageValue): Float32Array {
  return shrink(largeImage(image));
}

function largeImage(image: ImageValue): Float32Array {
  return standardised(resize(image.data, image.height, image.width, EDGE_SIDE));
}

function shrink(large: Float32Array): Float32Array {
  return resize(large, EDGE_SIDE, EDGE_SIDE, IMAGE_SIDE);
}

/** Square image by area averaging (shrinking) or nearest rows (growing): every output pixel is a box mean. */
function resize(source: ArrayLike<number>, height: number, width: number, side: number): Float32Array {
  const columns = boxes(width, side);
  const rows = boxes(height, side);
  const narrow = new Float32Array(height * side);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < side; x++) {
      let sum = 0;
      for (const [at, weight] of columns[x]) sum += weight * source[y * width + at];
      narrow[y * side + x] = sum;
    }
  }
  const out = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    for (const [at, weight] of rows[y]) {
      for (let x = 0; x < side; x++) out[y * side + x] += weight * narrow[at * side + x];
    }
  }
  return out;
}

/** For every output cell the input cells under it and their share. */
function boxes(from: number, to: number): [number, number][][] {
  const scale = from / to;
  return Array.from({ length: to }, (_, index) => {
    const start = index * scale;
    const end = Math.min(start + scale, from);
    const shares: [number, number][] = [];
    for (let at = Math.floor(start); at < end - 1e-9; at++) {
      shares.push([at, (Math.min(at + 1, end) - Math.max(at, start)) / scale]);
    }
    return shares;
  });
}

/** Zero mean and unit variance; the floor keeps a blank image blank. */
function standardised(values: Float32Array): Float32Array {
  let mean = 0;
  for (const value of values) mean += value / values.length;
  let variance = 0;
  for (const value of values) variance += (value - mean) ** 2 / values.length;
  const scale = 1 / (Math.sqrt(variance) + 5);
  return values.map((value) => (value - mean) * scale);
}

function edges(image: Float32Array): Float32Array {
  const out = new Float32Array(IMAGE_EDGES);
  const side = EDGE_SIDE;
  const cell = side / CELLS;
  const at = (y: number, x: number): number => {
    return image[Math.min(side - 1, Math.max(0, y)) * side + Math.min(side - 1, Math.max(0, x))];
  };
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const dx = (at(y, x + 1) - at(y, x - 1)) / 2;
      const dy = (at(y + 1, x) - at(y - 1, x)) / 2;
      const turn = Math.atan2(dy, dx) / Math.PI;
      // Directions are modulo half a turn; the energy is shared between the two nearest ones.
      const position = (turn < 0 ? turn + 1 : turn) * DIRECTIONS;
      const low = Math.floor(position) % DIRECTIONS;
      const share = position - Math.floor(position);
      const energy = Math.hypot(dx, dy) / (cell * cell);
      const base = (Math.floor(y / cell) * CELLS + Math.floor(x / cell)) * DIRECTIONS;
      out[base + low] += energy * (1 - share);
      out[base + ((low + 1) % DIRECTIONS)] += energy * share;
    }
  }
  return out.map(Math.sqrt);
}
