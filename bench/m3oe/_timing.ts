import process from "node:process";
import { tf } from "../../src/tensor/mod.ts";

/** One thing that is measured, named. */
export interface Measured {
  /** Name of the row or column. */
  readonly name: string;
  /** One run. */
  readonly body: () => Promise<void>;
}

/**
 * CPU time of this process in milliseconds: on a busy machine, wall-clock time measures the neighbours. A GPU works
 * outside this process, so there the clock counts.
 */
function now(): number {
  if (tf.getBackend() === "webgpu") return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Medians of alternating runs in milliseconds, so that a busy machine disturbs all alike; three runs warm up. */
export async function alternate(items: readonly Measured[], repeats: number): Promise<Map<string, number>> {
  const times = new Map(items.map(({ name }) => [name, [] as number[]]));
  for (let run = -3; run < repeats; run++) {
    for (const { name, body } of items) {
      const begun = now();
      await body();
      if (run >= 0) times.get(name)?.push(now() - begun);
    }
  }
  const median = (list: number[]): number => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
  return new Map([...times].map(([name, list]) => [name, median(list)]));
}
