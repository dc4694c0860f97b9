/** A grey image, row-major, 0 to 255. */
export interface GreyImage {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** Grey values. */
  readonly data: Uint8Array;
}

/** How an image of another shape is brought to the dataset's size. */
export type Fit = "pad" | "crop" | "stretch";

/** The size of a dataset's images. */
export interface ImageSize {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** Black bars, cut edges, or another aspect ratio. */
  readonly fit: Fit;
}

/**
 * Luma of interleaved samples (ITU-R BT.601); alpha is ignored.
 *
 * @param data samples, `channels` per pixel
 * @param channels 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha
 * @param largest value of white
 */
export function luma(data: ArrayLike<number>, channels: number, largest: number): Uint8Array {
  const pixels = data.length / channels;
  const out = new Uint8Array(pixels);
  const scale = 255 / largest;
  for (let i = 0; i < pixels; i++) {
    const at = i * channels;
    const grey = channels < 3 ? data[at] : 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
    out[i] = Math.round(grey * scale);
  }
  return out;
}

/**
 * Brings an image to a size: each output pixel is the mean over its area of the input, so that shrinking does not
 * alias; enlarging repeats pixels smoothly (area of the bilinear surface).
 *
 * @param image any grey image
 * @param size the wanted size
 */
export function resize(image: GreyImage, size: ImageSize): GreyImage {
  const { height, width, fit } = size;
  if (image.height === height && image.width === width) return image;
  const ratios = [image.height / height, image.width / width] as const;
  const ratio = fit === "pad" ? Math.max(...ratios) : Math.min(...ratios);
  const [stepY, stepX] = fit === "stretch" ? ratios : [ratio, ratio];
  const rows = axis(image.height, height, stepY);
  const columns = axis(image.width, width, stepX);
  // [image.height, width], then [height, width].
  const narrow = new Float64Array(image.height * width);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) {
      narrow[y * width + x] = mean(columns[x], (at) => image.data[y * image.width + at]);
    }
  }
  const data = new Uint8Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data[y * width + x] = Math.round(mean(rows[y], (at) => narrow[at * width + x]));
    }
  }
  return { height, width, data };
}

/** Input positions and weights of one output position; empty = outside the input. */
interface Taps {
  readonly from: number;
  readonly weights: readonly number[];
}

function axis(input: number, output: number, step: number): Taps[] {
  const offset = (input - output * step) / 2;
  // Below one input pixel per output pixel the area is one pixel wide, which is linear interpolation.
  const half = Math.max(step, 1) / 2;
  return Array.from({ length: output }, (_, index) => {
    const centre = offset + (index + 0.5) * step;
    if (centre < 0 || centre > input) return { from: 0, weights: [] };
    const [low, high] = [Math.max(0, centre - half), Math.min(input, centre + half)];
    const from = Math.floor(low);
    const to = Math.min(input, Math.ceil(high));
    const weights = Array.from(
      { length: to - from },
      (_, i) => Math.max(0, Math.min(high, from + i + 1) - Math.max(low, from + i)),
    );
    return { from, weights };
  });
}

function mean({ from, weights }: Taps, value: (at: number) => number): number {
  let sum = 0;
  let total = 0;
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i] * value(from + i);
    total += weights[i];
  }
  return total === 0 ? 0 : sum / total;
}
