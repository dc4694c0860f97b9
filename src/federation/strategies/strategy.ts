/** What a strategy makes of one aggregate. */
export interface StrategyStep {
  /** `[d]` where to go down; the step size is multiplied to it. */
  readonly direction: Float64Array;
  /** What the strategy remembers for the next step: as many vectors `[d]` as it asked for. */
  readonly memory: readonly Float64Array[];
}

/**
 * A server's rule: what to do with a decoded, noised sum. It sees only what is private already, so whatever it does
 * costs no further privacy; it never learns how many sites are in a sum, because only public constants may divide it.
 *
 * A strategy is a pure function: the aggregator keeps its memory durably between two steps, and a replica that takes
 * over goes on with it.
 */
export interface Strategy {
  /** Name, for logs and the configuration. */
  readonly name: string;
  /** Vectors `[d]` that it remembers, zeros before the first step; at most 8. */
  readonly memory: number;
  /**
   * Where to go.
   * @param memory what the step before has left
   * @param gradient `[d]` the aggregate, with the sign of a gradient; must not be changed
   * @param step number of the step, from 1
   */
  direction(memory: readonly Float64Array[], gradient: Float64Array, step: number): StrategyStep;
}
