/**
 * Privacy loss rounded to a grid so that it still dominates: masses at (lowest + i) * interval, rest at
 * infinity.
 */
export class LossDistribution {
  // V8 15.0 lets literals that are made in a hot loop share the box of a double; a typed array has no boxes.
  readonly #scalars: Float64Array;

  /**
   * @param interval grid step, natural units
   * @param lowest grid index of the first mass
   * @param masses P-mass at each grid point
   * @param infinityMass P-mass at infinity
   */
  constructor(
    interval: number,
    readonly lowest: number,
    readonly masses: Float64Array,
    infinityMass: number,
  ) {
    this.#scalars = Float64Array.of(interval, infinityMass);
  }

  /** Grid step, natural units. */
  get interval(): number {
    return this.#scalars[0];
  }

  /** P-mass at infinity. */
  get infinityMass(): number {
    return this.#scalars[1];
  }
}
