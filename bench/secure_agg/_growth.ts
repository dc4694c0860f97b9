import type { CohortParams } from "../../src/secure_agg/mod.ts";
import { benchCohort } from "./_cohort.ts";
import { exponent } from "./_measure.ts";
import { measureRound } from "./_round.ts";

/** One measured round. */
export interface GrowthPoint {
  readonly n: number;
  readonly degree: number;
  readonly dimension: number;
  readonly drops: number;
  /** CPU seconds of one client, mean. */
  readonly client: number;
  /** CPU seconds of the server. */
  readonly server: number;
}

/** Rounds in which one quantity grows. */
export interface GrowthSeries {
  /** What grows. */
  readonly quantity: "n" | "k" | "d" | "drops";
  readonly points: readonly GrowthPoint[];
  /** Exponents of client and server cost in that quantity. */
  readonly clientExponent: number;
  readonly serverExponent: number;
}

async function point(n: number, degree: number, dimension: number, drops: number): Promise<GrowthPoint> {
  const full = degree === n - 1;
  // A laboratory profile, so that degree can vary alone; the work per neighbour is the same in all profiles.
  const params: CohortParams = {
    graph: full ? { kind: "full" } : { kind: "ring", degree },
    threshold: Math.floor((2 * degree) / 3),
    nMin: Math.floor((2 * n) / 3),
  };
  const c = benchCohort(n, dimension, params, "curious");
  let [client, server] = [Infinity, Infinity];
  for (let turn = 0; turn < 3; turn++) {
    const cost = await measureRound(c, drops);
    client = Math.min(client, cost.clients / n);
    server = Math.min(server, cost.server);
  }
  return { n, degree, dimension, drops, client, server };
}

async function series(
  quantity: GrowthSeries["quantity"],
  cases: readonly (readonly [number, number, number, number])[],
): Promise<GrowthSeries> {
  const points: GrowthPoint[] = [];
  for (const c of cases) points.push(await point(...c));
  const x = (p: GrowthPoint): number => ({ n: p.n, k: p.degree, d: p.dimension, drops: p.drops })[quantity];
  return {
    quantity,
    points,
    clientExponent: exponent(points.map((p) => [x(p), p.client])),
    serverExponent: exponent(points.map((p) => [x(p), p.server])),
  };
}

/** Cost against n (full graph), k, d and number of late drops, each alone. */
export async function measureGrowth(): Promise<GrowthSeries[]> {
  return [
    await series("n", [[16, 15, 1000, 0], [32, 31, 1000, 0], [64, 63, 1000, 0], [96, 95, 1000, 0]]),
    await series("k", [[64, 20, 50_000, 0], [64, 30, 50_000, 0], [64, 40, 50_000, 0], [64, 60, 50_000, 0]]),
    await series("d", [[12, 11, 125_000, 1], [12, 11, 250_000, 1], [12, 11, 500_000, 1], [
      12,
      11,
      1_000_000,
      1,
    ]]),
    await series("drops", [[32, 31, 100_000, 1], [32, 31, 100_000, 2], [32, 31, 100_000, 4], [
      32,
      31,
      100_000,
      8,
    ]]),
  ];
}
