import type { SeededRandom } from "../../tensor/seeded_random.ts";
import { clamp } from "./_stream.ts";

/** A point or size on a canvas, in shares of its side: [across from the left, down from the top]. */
export type Pair = readonly [number, number];

/** A square grey picture under construction, in grey levels without limits until it is rendered. */
export class Canvas {
  /** Pixels a side. */
  readonly side: number;
  readonly #levels: Float64Array;

  /** @param side pixels a side @param background first grey level of every pixel */
  constructor(side: number, background: number) {
    this.side = side;
    this.#levels = new Float64Array(side * side).fill(background);
  }

  /** Changes every pixel; coordinates are shares of the side, at pixel centres. */
  each(change: (level: number, x: number, y: number) => number): void {
    for (let row = 0, i = 0; row < this.side; row++) {
      for (let column = 0; column < this.side; column++, i++) {
        this.#levels[i] = change(this.#levels[i], (column + 0.5) / this.side, (row + 0.5) / this.side);
      }
    }
  }

  /** Paints an ellipse whose edge fades over `softness` of its radius. */
  ellipse([cx, cy]: Pair, [rx, ry]: Pair, level: number, softness = 0.08): void {
    this.each((old, x, y) => {
      const radius = Math.hypot((x - cx) / rx, (y - cy) / ry);
      const cover = clamp((1 + softness - radius) / (2 * softness), 0, 1);
      return old + cover * (level - old);
    });
  }

  /** Adds a Gaussian spot of this height. */
  spot([cx, cy]: Pair, [sx, sy]: Pair, height: number): void {
    this.each((old, x, y) => old + height * Math.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2)));
  }

  /** Adds white noise of this standard deviation. */
  noise(random: SeededRandom, sd: number): void {
    this.each((old) => old + sd * random.normal());
  }

  /** The picture as bytes, row by row, limited to 0 to 255. */
  render(): Uint8Array {
    return Uint8Array.from(this.#levels, (level) => clamp(Math.round(level), 0, 255));
  }
}
