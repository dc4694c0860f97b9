/** Orders from 1.1 to 10.9 by 0.1: the optimum for a few steps with little noise lies here. */
const FRACTIONAL = Array.from({ length: 99 }, (_, i) => (11 + i) / 10);
/** Orders near 1, for very large losses. */
const NEAR_ONE = [1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 1.09];
/** Integers 11 to 64, then growing by about a quarter: the optimum for tiny losses lies here. */
const INTEGERS = Array.from({ length: 54 }, (_, i) => 11 + i);
const LARGE = [80, 100, 128, 160, 200, 256, 320, 400, 512, 640, 800, 1024, 1448, 2048, 4096, 8192];

/** The Renyi orders searched by default; the best of them is then refined. */
export const DEFAULT_ORDERS: readonly number[] = [...NEAR_ONE, ...FRACTIONAL, ...INTEGERS, ...LARGE];
