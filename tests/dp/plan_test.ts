import assert from "node:assert/strict";
import fc from "fast-check";
import {
  createPlan,
  decodeSum,
  type DpPlan,
  type DpPlanRequest,
  encodeUpdate,
  epsilonAt,
  groupEvent,
  groupPrivacy,
  honestShares,
  OffThreadEncoder,
  parsePlan,
  planHash,
  viewEvent,
  viewGuarantees,
  viewNoiseMultiplier,
} from "../../src/dp/mod.ts";
import { worstLegalSplit } from "../../src/secure_agg/mod.ts";
import { seededBytes } from "./_helpers.ts";

const REQUEST: DpPlanRequest = {
  populations: [
    { name: "icu", unit: "patient", samplingRate: 0.05, maxGradNorm: 1 },
    { name: "ecg", unit: "record", samplingRate: 0.02, maxGradNorm: 2 },
  ],
  setsAreDisjoint: true,
  neighboring: "add_or_remove_one",
  steps: 50,
  dimension: 400,
  cohort: { n: 4, nMin: 3, colluders: 1 },
  maxUnitsPerStep: 1000,
  delta: 1e-5,
  target: { noiseMultiplier: 1.5 },
};

function refused(change: Partial<DpPlanRequest>, reason: string): void {
  try {
    createPlan({ ...REQUEST, ...change });
  } catch (error) {
    const { code, details } = error as { code: string; details: { reason: string } };
    assert.deepEqual([code, details.reason], ["ConfigError", reason]);
    return;
  }
  assert.fail(`accepted ${JSON.stringify(change)}`);
}

Deno.test("createPlan() meets the target for every population and does not waste noise", () => {
  const plan = createPlan({ ...REQUEST, target: { epsilon: 2 } });
  const epsilons = plan.guarantees.map((g) => g.epsilon);
  assert.ok(epsilons.every((e) => e <= 2));
  assert.ok(Math.max(...epsilons) > 1.98, `${epsilons}`);
  for (const { schedule } of plan.events) {
    assert.ok(epsilonAt(schedule, 1e-5, { neighboring: "add_or_remove_one" }).epsilon <= 2);
  }
});

Deno.test("a plan survives JSON, and its hash is a function of its content alone", () => {
  const plan = createPlan(REQUEST);
  const copy = JSON.parse(JSON.stringify(plan));
  assert.deepEqual(parsePlan(copy), plan);
  const reordered = Object.fromEntries(Object.entries(copy).reverse()) as unknown as DpPlan;
  assert.equal(planHash(reordered), planHash(plan));
  assert.match(planHash(plan), /^[0-9a-f]{64}$/);
  assert.notEqual(planHash(createPlan({ ...REQUEST, steps: 51 })), planHash(plan));
});

Deno.test("parsePlan() refuses every changed number that follows from others", () => {
  const plan = createPlan(REQUEST);
  const paths: string[][] = [];
  const visit = (node: unknown, path: string[]): void => {
    if (typeof node === "number" || (typeof node === "string" && /^\d+$/.test(node))) paths.push(path);
    if (typeof node === "object" && node !== null) {
      for (const [key, item] of Object.entries(node)) visit(item, [...path, key]);
    }
  };
  visit(plan, []);
  let refusals = 0;
  for (const path of paths) {
    const copy = JSON.parse(JSON.stringify(plan));
    let parent = copy;
    for (const key of path.slice(0, -1)) parent = parent[key];
    const last = path[path.length - 1];
    parent[last] = typeof parent[last] === "string" ? `${BigInt(parent[last]) - 1n}` : parent[last] * 0.9;
    try {
      assert.notEqual(planHash(parsePlan(copy)), planHash(plan));
      // Only what others do not follow from may be chosen freely: the clip bound, which scales out.
      assert.equal(last, "maxGradNorm", path.join("."));
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      assert.ok(["PolicyRefused", "ConfigError"].includes((error as { code: string }).code), path.join("."));
      refusals++;
    }
  }
  assert.ok(refusals > 30, `${refusals} refusals`);
});

Deno.test("parsePlan() refuses a plan whose epsilon is above its own target", () => {
  const plan = createPlan({ ...REQUEST, target: { epsilon: 3 } });
  const cheat = JSON.parse(JSON.stringify(plan));
  cheat.request.target.epsilon = 2;
  assert.throws(() => parsePlan(cheat), { code: "ConfigError", message: /epsilon/ });
});

Deno.test("parsePlan() never breaks on foreign JSON", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.throws(
        () => parsePlan(value),
        (e: { code: string }) => ["PolicyRefused", "ConfigError"].includes(e.code),
      );
    }),
    { numRuns: 200, seed: 1 },
  );
  for (const request of [null, {}, { populations: [null] }, { ...REQUEST, cohort: null }]) {
    assert.throws(() => parsePlan({ format: "fedkim-dp-plan/1", request }));
  }
});

Deno.test("createPlan() refuses numbers that do not go together, each with its reason", () => {
  refused({ neighboring: "replace_one" }, "parallel_composition");
  refused({ cohort: { n: 4, nMin: 2, colluders: 2 } }, "no_honest_share");
  refused({ cohort: { n: 4, nMin: 5, colluders: 1 } }, "invalid_field");
  refused({ cohort: { n: 4, nMin: 3, colluders: 0 } }, "invalid_field");
  refused({ maxUnitsPerStep: 2 ** 25 }, "ring_overflow");
  refused({ delta: 0 }, "invalid_field");
  refused({ delta: NaN }, "invalid_field");
  refused({ steps: 1.5 }, "invalid_field");
  refused({ dimension: 0 }, "invalid_field");
  refused({ populations: [] }, "invalid_field");
  refused({ populations: [REQUEST.populations[0], REQUEST.populations[0]] }, "invalid_field");
  refused({ populations: [{ ...REQUEST.populations[0], samplingRate: 0 }] }, "invalid_field");
  refused({ populations: [{ ...REQUEST.populations[0], maxGradNorm: Infinity }] }, "invalid_field");
  refused({ populations: [{ ...REQUEST.populations[0], unit: "site" }] }, "visible_sampling");
  refused({ target: { noiseMultiplier: NaN } }, "invalid_field");
  refused({ setsAreDisjoint: undefined as unknown as boolean }, "invalid_field");
});

Deno.test("the ring refusal names the bits that are needed and three ways out", () => {
  assert.throws(() => createPlan({ ...REQUEST, maxUnitsPerStep: 2 ** 25 }), {
    message: /42 bits.*at most 32 bits.*maxUnitsPerStep.*or release fewer parameters.*or lower the noise/,
  });
});

Deno.test("no site's vector leaves its share of the ring, however large its sum, and no sum wraps around", () => {
  for (const n of [2, 3, 4, 17, 64]) {
    const plan = createPlan({ ...REQUEST, cohort: { n, nMin: n, colluders: 1 }, maxUnitsPerStep: 1000 });
    const { coordinateLimit } = plan.encoding;
    // What secure aggregation lets one of n sites submit.
    const bound = Math.floor((2 ** 31 - 1) / n);
    assert.ok(coordinateLimit + 16 * plan.noise.shareStddev <= bound, `${n} sites`);
    assert.ok(n * coordinateLimit >= 1000 * plan.encoding.scale, "the units of a step fit");
    for (const size of [1e6, -1e6, 1e300, -1e300]) {
      const ring = encodeUpdate(plan, new Float64Array(400).fill(size), seededBytes(n));
      assert.ok(ring.every((x) => Math.abs(x | 0) <= bound), `${size} at one of ${n} sites`);
    }
  }
  // The noise alone leaves no room: refused when the plan is made, not when a site encodes.
  refused({ cohort: { n: 64, nMin: 3, colluders: 2 }, target: { noiseMultiplier: 2000 } }, "ring_overflow");
  // Up to 64 sites, the units of a step fit in full up to the last one.
  const limit = (maxUnitsPerStep: number) =>
    createPlan({ ...REQUEST, cohort: { n: 64, nMin: 50, colluders: 1 }, maxUnitsPerStep });
  let [low, high] = [1, 2 ** 20];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    try {
      limit(middle);
      low = middle;
    } catch {
      high = middle;
    }
  }
  const { encoding, noise } = limit(low);
  const total = (units: number) => units * encoding.scale + 64 * 16 * noise.shareStddev;
  assert.ok(total(low) <= 2 ** 31 - 1 && total(low + 1) > 2 ** 31 - 1 - 64 * 2);
});

Deno.test("sensitivity charges clip, float error and the rounding of sums", () => {
  const { encoding, request } = createPlan(REQUEST);
  const { scale, sensitivity } = encoding;
  assert.ok(Math.sqrt(request.dimension) <= 1e-3 * scale);
  assert.ok(sensitivity >= scale * (1 + request.floatSlack) + Math.sqrt(request.dimension));
  assert.ok(sensitivity < scale * 1.003);
});

Deno.test("honest shares together have at least the variance that is charged, exactly", () => {
  for (const noiseMultiplier of [0.3, 1 / 3, 1.1298828125, 7]) {
    const { noise, encoding } = createPlan({ ...REQUEST, target: { noiseMultiplier } });
    const total = (BigInt(noise.honestShares) * BigInt(noise.shareVariance.numerator) * 2n ** 120n) /
      BigInt(noise.shareVariance.denominator);
    const sigma = BigInt(noiseMultiplier * 2 ** 60);
    const charged = sigma * sigma * BigInt(encoding.sensitivity) ** 2n;
    assert.ok(total >= charged && total <= charged + charged / 100_000n, `${noiseMultiplier}`);
    assert.ok(noise.shareStddev >= 4);
  }
});

Deno.test("honestShares() follows the worst split of the default profile", () => {
  const cohort = { n: 10, nMin: 8, colluders: 2 };
  assert.equal(honestShares(cohort, { type: "strict" }), 6);
  // n - floor((n - c)(n - nMin) / (t - c)) - c = 10 - floor(8 * 2 / 5) - 2.
  assert.equal(honestShares(cohort, { type: "default", threshold: 7 }), 5);
  // Every split leaves at least that many: enumerate the mask totals that t - c honest answers per group
  // allow.
  for (let n = 3; n <= 12; n++) {
    for (let nMin = 2; nMin <= n; nMin++) {
      for (let c = 1; c < nMin; c++) {
        for (let t = c + 1; t <= n; t++) {
          let shares: number;
          try {
            shares = honestShares({ n, nMin, colluders: c }, { type: "default", threshold: t });
          } catch {
            continue;
          }
          // Each honest site may be told n - nMin others dropped; a site is removed from the sum by t - c
          // of them.
          const removable = Math.floor(((n - c) * (n - nMin)) / (t - c));
          assert.ok(shares <= n - c - removable && shares >= 1);
          // Secure aggregation counts the same by itself.
          if (t <= nMin) assert.equal(shares, worstLegalSplit({ n, nMin, threshold: t, colluders: c }));
          assert.ok(shares <= honestShares({ n, nMin, colluders: c }, { type: "strict" }) + (n - nMin));
        }
      }
    }
  }
});

Deno.test("a coalition sees at least what a participant sees, who sees more than the public", () => {
  const plan = createPlan({ ...REQUEST, cohort: { n: 6, nMin: 5, colluders: 2 } });
  for (const survivors of [5, 6]) {
    const noise = (["public", "server", "participant", "coalition"] as const)
      .map((view) => viewNoiseMultiplier(plan, view, survivors));
    assert.equal(noise[0], noise[1]);
    assert.ok(noise[1] > noise[2] && noise[2] > noise[3]);
  }
  assert.ok(Math.abs(viewNoiseMultiplier(plan, "coalition", 5) - plan.noise.noiseMultiplier) < 1e-12);
  assert.throws(() => viewEvent(plan, "icu", "public", 4), { code: "ConfigError" });
  const rows = viewGuarantees(plan, 10);
  assert.equal(rows.length, 2 * 4 * 2);
  for (const row of rows) assert.ok(row.epsilonRdp! >= row.epsilon - 1e-3);
});

Deno.test("in the default profile every view is that of the worst split, however many sites survive", () => {
  const profile = { type: "default", threshold: 4 } as const;
  const plan = createPlan({ ...REQUEST, cohort: { n: 5, nMin: 4, colluders: 1 }, profile });
  // 5 - floor(4 * 1 / 3) - 1 = 3 honest shares.
  assert.equal(plan.noise.honestShares, 3);
  for (const survivors of [4, 5]) {
    assert.ok(Math.abs(viewNoiseMultiplier(plan, "coalition", survivors) - 1.5) < 1e-12);
    assert.ok(Math.abs(viewNoiseMultiplier(plan, "public", survivors) - 1.5 * Math.sqrt(4 / 3)) < 1e-12);
  }
});

Deno.test("sets that are not disjoint, and units at several sites, are charged in full", () => {
  const single = createPlan(REQUEST).guarantees[0].epsilon;
  const overlapping = createPlan({ ...REQUEST, setsAreDisjoint: false }).guarantees;
  assert.ok(overlapping.every((g) => g.epsilon > single));
  const twice = createPlan({
    ...REQUEST,
    populations: [{ ...REQUEST.populations[0], maxSitesPerUnit: 2 }, REQUEST.populations[1]],
  }).guarantees[0].epsilon;
  assert.ok(twice > 1.5 * single, `${twice} for two sites, ${single} for one`);
});

Deno.test("groupEvent() is far below the generic group bound and grows with the group", () => {
  const plan = createPlan({ ...REQUEST, target: { noiseMultiplier: 3 } });
  const at = (k: number) =>
    epsilonAt(groupEvent(plan, "ecg", k), 1e-5, { neighboring: "add_or_remove_one" }).epsilon;
  const [one, two, five] = [at(1), at(2), at(5)];
  assert.ok(Math.abs(one - plan.guarantees[1].epsilon) < 1e-9);
  assert.ok(one < two && two < five);
  // The generic bound at the same final delta needs a smaller delta to start from.
  const small = epsilonAt(plan.events[1].schedule, 1e-7, { neighboring: "add_or_remove_one" }).epsilon;
  assert.ok(groupPrivacy(small, 1e-7, 5).delta > 0 && five < 5 * small);
  for (const k of [0, -1, 1.5, 1e9]) assert.throws(() => groupEvent(plan, "ecg", k), { code: "ConfigError" });
});

Deno.test("encodeUpdate() and decodeSum() return the plain sum plus noise of the charged size", () => {
  const plan = createPlan({ ...REQUEST, dimension: 20_000 });
  const d = plan.request.dimension;
  const ring = new Uint32Array(d);
  for (let site = 0; site < 4; site++) {
    const update = encodeUpdate(plan, new Float64Array(d).fill(site - 1), seededBytes(site));
    for (let i = 0; i < d; i++) ring[i] += update[i];
  }
  const sum = decodeSum(plan, ring);
  const stddev = (plan.noise.shareStddev * 2) / plan.encoding.scale;
  let mean = 0;
  let square = 0;
  for (const x of sum) {
    mean += x / d;
    square += (x - 2) ** 2 / d;
  }
  assert.ok(Math.abs(mean - 2) < (5 * stddev) / Math.sqrt(d), `${mean}`);
  assert.ok(Math.abs(square / stddev ** 2 - 1) < 5 * Math.sqrt(2 / d));
});

Deno.test("an empty sample gets the same noise on every coordinate", () => {
  const plan = createPlan(REQUEST);
  const ring = encodeUpdate(plan, new Float64Array(400), seededBytes(1));
  assert.ok(ring.filter((x) => Math.abs(x | 0) > plan.noise.shareStddev / 100).length > 380);
});

Deno.test("encodeUpdate() refuses another length and values that are not finite", () => {
  const plan = createPlan(REQUEST);
  assert.throws(() => encodeUpdate(plan, new Float64Array(399), seededBytes(1)), { code: "ConfigError" });
  for (const at of [0, 399]) {
    for (const value of [NaN, Infinity, -Infinity]) {
      assert.throws(() => encodeUpdate(plan, new Float64Array(400).with(at, value), seededBytes(1)), {
        code: "InternalError",
      });
    }
  }
  assert.throws(() => decodeSum(plan, new Uint32Array(401)), { code: "ConfigError" });
});

Deno.test("OffThreadEncoder gives the same sums from another thread", async () => {
  const plan = createPlan(REQUEST);
  using encoder = new OffThreadEncoder();
  const rings = await Promise.all(
    Array.from({ length: 4 }, () => encoder.encode(plan, new Float64Array(400).fill(50))),
  );
  const total = new Uint32Array(400);
  for (const ring of rings) ring.forEach((x, i) => total[i] += x);
  const sum = decodeSum(plan, total);
  const stddev = (2 * plan.noise.shareStddev) / plan.encoding.scale;
  assert.ok(Math.abs(sum.reduce((a, b) => a + b) / 400 - 200) < (5 * stddev) / 20);
  await assert.rejects(encoder.encode(plan, new Float64Array(3)), { code: "InternalError" });
});

Deno.test("under replace_one a plan charges twice the sensitivity, for one set and for several", () => {
  const one = { ...REQUEST, populations: [REQUEST.populations[0]], target: { noiseMultiplier: 3 } };
  const added = createPlan(one).guarantees[0].epsilon;
  const replaced = createPlan({ ...one, neighboring: "replace_one" }).guarantees[0].epsilon;
  assert.ok(replaced > added);
  const several = createPlan({
    ...REQUEST,
    neighboring: "replace_one",
    setsAreDisjoint: false,
    target: { noiseMultiplier: 3 },
  });
  assert.ok(several.guarantees[0].epsilon > replaced);
});
