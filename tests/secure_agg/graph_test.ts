import assert from "node:assert/strict";
import {
  graphParams,
  graphPermutation,
  nativeProvider,
  randomDropoutRing,
  ringGraph,
  targetedDropoutRing,
} from "../../src/secure_agg/mod.ts";
import { hypergeometricPmf, lowerQuantile, upperQuantile } from "../../src/secure_agg/hypergeometric.ts";
import { ringIsSafe } from "../../src/secure_agg/graph_params.ts";
import { testRandom } from "./_harness.ts";

Deno.test("randomDropoutRing() meets the 18 published expectations of Google's parameter finder", () => {
  for (
    const [n, gamma, delta, semiMalicious, degree, threshold] of [
      [100, .45, .45, false, 92, 46],
      [1000, .45, .45, false, 822, 417],
      [10000, .45, .45, false, 3494, 1771],
      [10, .33, .33, false, 8, 4],
      [100, .33, .33, false, 68, 34],
      [1000, .33, .33, false, 286, 150],
      [10000, .33, .33, false, 422, 221],
      [100, .3, .3, true, 92, 62],
      [1000, .3, .3, true, 872, 584],
      [10000, .3, .3, true, 4822, 3230],
      [10, .05, .33, false, 4, 2],
      [100, .05, .33, false, 28, 6],
      [1000, .05, .33, false, 72, 24],
      [10000, .05, .33, false, 86, 29],
      [10, .05, .33, true, 8, 5],
      [100, .05, .33, true, 72, 39],
      [1000, .05, .33, true, 398, 223],
      [10000, .05, .33, true, 746, 420],
    ] as const
  ) {
    const ring = randomDropoutRing({ n, gamma, delta, sigma: 40, eta: 20 }, semiMalicious)!;
    assert.equal(ring.degree, degree);
    // The published thresholds lie between the smallest private one and the largest that dropouts meet.
    const largest = Math.max(ring.threshold, ring.largestThreshold); // 2 at least, even where one share would do
    assert.ok(ring.threshold <= threshold && threshold <= largest, `${n} ${gamma} ${delta}`);
  }
});

Deno.test("targetedDropoutRing() gives the published table of degrees and thresholds", () => {
  const sizes = [100, 200, 300, 500, 1000, 2000, 5000, 10000];
  for (
    const [gamma, sigma, row] of [
      [.05, 40, "32/22 56/39 72/51 86/61 102/72 112/79 124/87 128/90"],
      [.05, 80, "32/22 56/39 76/54 110/81 134/99 152/112 166/122 172/126"],
      [.10, 40, "42/32 78/59 94/70 112/83 132/97 146/107 160/117 166/121"],
      [.10, 80, "42/32 80/61 114/88 144/111 178/136 198/151 220/167 230/174"],
    ] as const
  ) {
    const found = sizes.map((n) => targetedDropoutRing({ n, gamma, delta: .1, sigma, eta: 20 })!);
    assert.equal(found.map(({ degree, threshold }) => `${degree}/${threshold}`).join(" "), row);
  }
});

/** C(n, k) exactly. */
function choose(n: number, k: number): bigint {
  if (k < 0 || k > n) return 0n;
  let value = 1n;
  for (let i = 1; i <= k; i++) value = (value * BigInt(n - k + i)) / BigInt(i);
  return value;
}

/** numerator / denominator as a double, whatever their sizes. */
function ratio(numerator: bigint, denominator: bigint): number {
  if (numerator === 0n) return 0;
  const shift = denominator.toString(2).length - numerator.toString(2).length + 64;
  return Number((numerator << BigInt(shift)) / denominator) / 2 ** shift;
}

Deno.test("hypergeometric probabilities and quantiles agree with exact integer arithmetic", () => {
  for (const [total, marked, draws] of [[100, 10, 21], [300, 30, 57], [1000, 100, 89], [1000, 900, 178]]) {
    const all = choose(total, draws);
    const weights = Array.from(
      { length: Math.min(marked, draws) + 1 },
      (_, x) => choose(marked, x) * choose(total - marked, draws - x),
    );
    weights.forEach((weight, x) => {
      const exact = ratio(weight, all);
      assert.ok(Math.abs(hypergeometricPmf(total, marked, draws, x) - exact) <= 1e-9 * exact);
    });
    for (const [sigma, scale] of [[41, 1n], [81, BigInt(total)], [20, BigInt(total)]] as const) {
      // Pr[X > x] <= 2^-sigma / scale, without any rounding.
      const fits = (tail: bigint): boolean => (tail * scale) << BigInt(sigma) <= all;
      const tail = (from: number, to: number): bigint => weights.slice(from, to).reduce((a, b) => a + b, 0n);
      const p = 2 ** -sigma / Number(scale);
      const upper = weights.findIndex((_, x) => fits(tail(x + 1, weights.length)));
      assert.equal(upperQuantile(total, marked, draws, p), upper);
      let lower = 0;
      while (lower < weights.length && fits(tail(0, lower + 1))) lower++;
      assert.equal(lowerQuantile(total, marked, draws, p), lower);
    }
  }
});

Deno.test("a ring chosen for n sites stays private for every smaller roster down to 85 %", () => {
  for (const n of [100, 300, 1000]) {
    const { graph, threshold } = graphParams({ n, profile: "strict", dimension: 2_000_000 });
    assert.equal(graph.kind, "ring");
    const degree = graph.kind === "ring" ? graph.degree : 0;
    for (let m = Math.ceil(.85 * n); m <= n; m++) {
      assert.ok(
        ringIsSafe(m, degree, { profile: "strict", gammaMillionths: 100_000, colluders: 1, threshold }),
        `${m} of ${n}`,
      );
    }
  }
});

Deno.test("graphParams() keeps the full graph for small cohorts and where no ring exists", () => {
  assert.equal(graphParams({ n: 64, profile: "strict", dimension: 1e8 }).graph.kind, "full");
  assert.equal(graphParams({ n: 255, profile: "strict", dimension: 1e6 }).graph.kind, "full");
  assert.equal(graphParams({ n: 256, profile: "strict" }).graph.kind, "ring");
  assert.equal(graphParams({ n: 300, profile: "strict", gamma: .4, delta: .4 }).graph.kind, "full");
  assert.equal(graphParams({ n: 1000, profile: "curious" }).graph.kind, "ring");
});

Deno.test("the ring is symmetric, of the right degree, and differs for every session", () => {
  const provider = nativeProvider;
  const [a, b] = [1, 2].map((fill) => ringGraph(provider, new Uint8Array(32).fill(fill), 101, 20));
  let differ = 0;
  for (let i = 0; i < 101; i++) {
    const closed = a.closed(i);
    assert.equal(new Set(closed).size, 21);
    assert.deepEqual([...closed], [...closed].sort((x, y) => x - y));
    assert.ok(closed.includes(i));
    for (const j of closed) assert.ok(a.closed(j).includes(i));
    if (closed.join() !== b.closed(i).join()) differ++;
  }
  assert.ok(differ > 95);
});

Deno.test("the permutation of the graph is uniform: chi-square over all 24 permutations of four sites", () => {
  const random = testRandom("permutations");
  const counts = new Map<string, number>();
  const draws = 24 * 100;
  for (let i = 0; i < draws; i++) {
    const key = graphPermutation(nativeProvider, random(32), 4).join();
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  let statistic = 0;
  for (const count of counts.values()) statistic += (count - 100) ** 2 / 100;
  assert.equal(counts.size, 24);
  // 23 degrees of freedom: 58.6 has upper tail 6e-5; the seed is fixed.
  assert.ok(statistic < 58.6, `chi-square ${statistic}`);
});

Deno.test("no choice of dropouts cuts the honest sites of a ring while every one of them sees t live neighbours", () => {
  // Exhaustive over all windows: the cheapest cut removes the k/2 sites after one honest site, and then its live
  // neighbours are the k/2 on the other side and the corrupt ones in the window.
  const n = 100;
  const ring = targetedDropoutRing({ n, gamma: .1, delta: .1, sigma: 80, eta: 20 })!;
  const half = ring.degree / 2;
  const random = testRandom("cuts");
  for (let trial = 0; trial < 300; trial++) {
    const corrupt = new Set(graphPermutation(nativeProvider, random(32), n).slice(0, 10));
    for (let edge = 0; edge < n; edge++) {
      let inWindow = 0;
      for (let step = 1; step <= half; step++) if (corrupt.has((edge + step) % n)) inWindow++;
      assert.ok(half + inWindow < ring.threshold, "an edge site would go on");
    }
  }
});
