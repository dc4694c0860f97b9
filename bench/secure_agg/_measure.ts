import process from "node:process";

/** CPU seconds of this process so far, all threads, user and system. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** CPU seconds of one call. */
export async function cpuOf(run: () => unknown): Promise<number> {
  const start = cpuSeconds();
  await run();
  return cpuSeconds() - start;
}

/** Smallest CPU seconds of each contestant, their turns interleaved so that other load hits all alike. */
export async function bestOf(turns: number, contestants: readonly (() => unknown)[]): Promise<number[]> {
  const best = contestants.map(() => Infinity);
  for (let turn = 0; turn < turns; turn++) {
    for (const [i, run] of contestants.entries()) best[i] = Math.min(best[i], await cpuOf(run));
  }
  return best;
}

/** Slope of the least-squares line through (ln x, ln y): the measured growth exponent. */
export function exponent(points: readonly (readonly [number, number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)]);
  const mean = (k: number): number => logs.reduce((sum, point) => sum + point[k], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  const covariance = logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return covariance / logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

/** Largest resident memory of this process in bytes (VmHWM), or undefined where /proc is not at hand. */
export function peakMemory(): number | undefined {
  try {
    const line = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"));
    return line === null ? undefined : Number(line[1]) * 1024;
  } catch {
    return undefined;
  }
}
