import { z } from "zod";

/** How the values of one cell of a timeseries, or of one entry of a vector, become one. */
export type Aggregate = "mean" | "sum" | "min" | "max" | "first" | "last" | "count";

/** The schema of {@link Aggregate}. */
export const aggregateSchema: z.ZodEnum<{ [Name in Aggregate]: Name }> = z.enum([
  "mean",
  "sum",
  "min",
  "max",
  "first",
  "last",
  "count",
]);

/** Collects the values of many cells, 16 bytes each, and gives one number per cell at the end. */
export class Accumulator {
  /** Memory per cell in bytes. */
  static readonly BYTES_PER_CELL = 16;
  readonly #value: Float64Array;
  /** Number of values (mean, count) or time of the value kept (first, last). */
  readonly #weight: Float64Array;
  readonly #aggregates: readonly Aggregate[];

  /**
   * @param rows number of rows
   * @param aggregates how the values of each column become one
   */
  constructor(rows: number, aggregates: readonly Aggregate[]) {
    this.#aggregates = aggregates;
    this.#value = new Float64Array(rows * aggregates.length).fill(NaN);
    this.#weight = new Float64Array(rows * aggregates.length);
  }

  /**
   * Adds a value.
   *
   * @param row which row
   * @param column which column
   * @param value the value
   * @param time when it was measured, in seconds; only its order matters
   */
  add(row: number, column: number, value: number, time: number): void {
    const at = row * this.#aggregates.length + column;
    const old = this.#value[at];
    const aggregate = this.#aggregates[column];
    if (Number.isNaN(old)) {
      this.#value[at] = aggregate === "count" ? 1 : value;
      this.#weight[at] = aggregate === "first" || aggregate === "last" ? time : 1;
      return;
    }
    switch (aggregate) {
      case "mean":
      case "sum":
        this.#value[at] = old + value;
        this.#weight[at]++;
        return;
      case "count":
        this.#value[at]++;
        return;
      case "min":
        this.#value[at] = Math.min(old, value);
        return;
      case "max":
        this.#value[at] = Math.max(old, value);
        return;
      case "first":
        // Rows of one time keep the order of the file.
        if (time < this.#weight[at]) [this.#value[at], this.#weight[at]] = [value, time];
        return;
      case "last":
        if (time >= this.#weight[at]) [this.#value[at], this.#weight[at]] = [value, time];
        return;
    }
  }

  /**
   * The numbers of some rows.
   *
   * @param from first row
   * @param to one after the last row
   * @returns row-major; NaN = no value
   */
  rows(from: number, to: number): Float32Array {
    const width = this.#aggregates.length;
    const out = new Float32Array((to - from) * width);
    for (let i = 0; i < out.length; i++) {
      const at = from * width + i;
      const divisor = this.#aggregates[i % width] === "mean" ? this.#weight[at] : 1;
      out[i] = this.#value[at] / divisor;
    }
    return out;
  }
}
