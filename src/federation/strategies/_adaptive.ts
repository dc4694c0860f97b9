import type { Strategy } from "./strategy.ts";

/** Constants of the adaptive strategies. */
export interface AdaptiveOptions {
  /** Decay of the first moment, in [0, 1). */
  readonly beta1: number;
  /** Decay of the second moment, in [0, 1). */
  readonly beta2: number;
  /** Floor under the root of the second moment (tau). */
  readonly adaptivity: number;
}

/**
 * Reddi et al. 2021, Algorithm 2, with bias correction: m / (sqrt(v) + tau).
 * @param secondMoment the next v of one coordinate, from v and the squared aggregate
 */
export function adaptive(
  name: string,
  { beta1, beta2, adaptivity }: AdaptiveOptions,
  secondMoment: (v: number, square: number) => number,
): Strategy {
  return {
    name,
    memory: 2,
    direction([oldM, oldV], gradient, step) {
      const m = new Float64Array(gradient.length);
      const v = new Float64Array(gradient.length);
      const direction = new Float64Array(gradient.length);
      const correct1 = 1 - Math.pow(beta1, step);
      const correct2 = 1 - Math.pow(beta2, step);
      for (let i = 0; i < gradient.length; i++) {
        m[i] = beta1 * oldM[i] + (1 - beta1) * gradient[i];
        v[i] = secondMoment(oldV[i], gradient[i] * gradient[i]);
        direction[i] = (m[i] / correct1) / (Math.sqrt(v[i] / correct2) + adaptivity);
      }
      return { direction, memory: [m, v] };
    },
  };
}
