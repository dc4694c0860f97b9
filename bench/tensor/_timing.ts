import { tf } from "../../src/tensor/mod.ts";

/**
 * Seconds of one call of `make`, whose first element is read back: the best of `rounds` rounds of `calls` calls each,
 * after one call that compiles shaders.
 */
export async function secondsOf(make: () => tf.Tensor, calls: number, rounds: number): Promise<number> {
  const run = async (count: number): Promise<void> => {
    let last: tf.Tensor | undefined;
    for (let i = 0; i < count; i++) {
      last?.dispose();
      last = make();
    }
    if (last === undefined) return;
    const corner = last.flatten().slice([0], [1]);
    await corner.data();
    tf.dispose([last, corner]);
  };
  await run(1);
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await run(calls);
    best = Math.min(best, (performance.now() - start) / 1000 / calls);
  }
  return best;
}

/** Values that are neither zeros nor subnormal, cheap to make in any number. */
export function noise(count: number, limit: number): Float32Array {
  const values = new Float32Array(count);
  const period = Math.min(count, 65_521);
  for (let i = 0; i < period; i++) values[i] = limit * ((i * 48_271) % 65_521 / 32_760 - 1);
  for (let filled = period; filled < count; filled *= 2) {
    values.copyWithin(filled, 0, Math.min(filled, count - filled));
  }
  return values;
}

/** GFLOP/s of a product of this size. */
export function gigaflops(
  [rows, depth, columns]: readonly [number, number, number],
  seconds: number,
): number {
  return 2 * rows * depth * columns / seconds / 1e9;
}
