import assert from "node:assert/strict";
import fc from "fast-check";
import { defaultThreshold, graphParams, type Profile } from "../../src/secure_agg/mod.ts";
import { type Cohort, cohort, type DropPoint, plainSum, type RoundOptions, runRound } from "./_harness.ts";

async function assertExact(c: Cohort, survivors: readonly number[], options: RoundOptions): Promise<void> {
  const { server, refused } = await runRound(c, options);
  assert.equal(server.error, undefined);
  assert.deepEqual(refused, []);
  assert.deepEqual(server.result!.survivors, survivors.map((i) => c.ids[i].id));
  assert.deepEqual(server.result!.sum, plainSum(c, survivors));
  assert.deepEqual(server.result!.blamed, []);
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

for (const profile of ["strict", "default", "curious"] as const satisfies readonly Profile[]) {
  Deno.test(`the sum is exact for every survivor set of at least t of 3 to 8 sites (${profile})`, async () => {
    for (let n = 3; n <= 8; n++) {
      const threshold = Math.max(defaultThreshold(n, profile), 3);
      const c = cohort(n, { profile, threshold, nMin: threshold });
      for (let mask = 0; mask < 2 ** n; mask++) {
        const survivors = range(n).filter((i) => (mask >> i) & 1);
        if (survivors.length < threshold) continue;
        // A quarter of the larger cohorts' sets keeps the test quick; every set comes up in some profile.
        if (n >= 7 && mask % 3 !== ["strict", "default", "curious"].indexOf(profile)) continue;
        const drops = new Map(
          range(n).filter((i) => !survivors.includes(i)).map((i) => [i, "masked_input" as const]),
        );
        await assertExact(c, survivors, { drops });
      }
    }
  });
}

Deno.test("the sum is exact with a drop at every phase, alone and together", async () => {
  const points: DropPoint[] = [
    "advertise_keys",
    "share_keys",
    "masked_input",
    "mid_upload",
    "sign_survivors",
    "unmask",
  ];
  const inSum = (point: DropPoint | undefined): boolean =>
    point === undefined || point === "sign_survivors" || point === "unmask";
  for (const profile of ["strict", "default"] as const) {
    const c = cohort(6, { profile, nMin: 5 });
    for (const point of points) {
      await assertExact(c, range(6).filter((i) => i !== 2 || inSum(point)), { drops: new Map([[2, point]]) });
    }
    const large = cohort(12, { profile, threshold: 7, nMin: 7, colluders: 1 });
    const drops = new Map(points.slice(0, 5).map((point, i) => [2 * i, point] as const));
    await assertExact(large, range(12).filter((i) => inSum(drops.get(i))), { drops });
  }
});

Deno.test("the sum is exact for random cohorts, rings, dimensions, wire forms and drops", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 9, max: 30 }),
      fc.integer({ min: 1, max: 200 }),
      fc.constantFrom({ ringBits: 32 }, { ringBits: 24 }, { ringBits: 20, wireForm: "packed20" as const }),
      fc.constantFrom("strict" as const, "default" as const),
      fc.integer(),
      async (n, dimension, ring, profile, seed) => {
        const c = cohort(n, { ...ring, profile, dimension, chunkCoordinates: 64 });
        const lost = n - c.config.nMin;
        const points: DropPoint[] = ["share_keys", "masked_input", "mid_upload"];
        const drops = new Map(range(lost).map((i) => [Math.abs(seed + 7 * i) % n, points[i % 3]]));
        await assertExact(c, range(n).filter((i) => !drops.has(i)), { drops });
      },
    ),
    { numRuns: 6 },
  );
});

Deno.test("the sum is exact for random cohorts of up to 200 sites, full or ring, after random drops at any phase", async () => {
  const points: DropPoint[] = ["share_keys", "masked_input", "mid_upload", "sign_survivors", "unmask"];
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 100, max: 200 }),
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(...points)), { minLength: 1, maxLength: 10 }),
      async (n, ring, lost) => {
        const params = graphParams({ n, profile: "strict", dimension: ring ? 2_000_000 : 0 });
        assert.equal(params.graph.kind, ring ? "ring" : "full");
        const c = cohort(n, { profile: "strict", ...params });
        const drops = new Map(lost.map(([i, point]) => [i % n, point]));
        const early = (point: DropPoint | undefined): boolean =>
          point === "share_keys" || point === "masked_input" || point === "mid_upload";
        await assertExact(c, range(n).filter((i) => !early(drops.get(i))), { drops });
      },
    ),
    { numRuns: 2, examples: [[200, true, [[3, "share_keys"], [50, "masked_input"], [199, "unmask"]]]] },
  );
});

Deno.test("the round aborts below nMin at every phase, says so, and reveals nothing", async () => {
  for (
    const [point, reason] of [
      ["advertise_keys", "roster_too_small"],
      ["share_keys", "too_few_survivors"],
      ["masked_input", "too_few_survivors"],
      ["sign_survivors", "too_few_signatures"],
      ["unmask", "too_few_shares"],
    ] as const
  ) {
    const c = cohort(4);
    const { server, lastClosed } = await runRound(c, { drops: new Map([[0, point], [1, point]]) });
    assert.equal(lastClosed, point, "not a phase later");
    assert.equal(server.phase, "aborted");
    assert.equal(server.error!.code, "BelowThreshold");
    assert.equal(server.error!.reason, reason);
    assert.equal(server.result, undefined);
  }
});
