import assert from "node:assert/strict";
import {
  coinsEvent,
  type DpPlanRequest,
  type DpPopulation,
  groupEvent,
  honestShares,
  knownShares,
  OffThreadEncoder,
  viewEvent,
  viewNoiseMultiplier,
} from "../../src/dp/mod.ts";
import { createPlan, parsePlan } from "../../src/dp/mod.ts";
import { encodingOf, gridOf, noiseOf } from "../../src/dp/plan/shares.ts";
import { completeRequest } from "../../src/dp/plan/validate.ts";
import { holdsLimit, type Limit } from "./_limits.ts";

const POPULATION: DpPopulation = { name: "icu", unit: "patient", samplingRate: 0.05, maxGradNorm: 1 };
const REQUEST: DpPlanRequest = {
  populations: [POPULATION],
  setsAreDisjoint: true,
  neighboring: "add_or_remove_one",
  steps: 50,
  dimension: 400,
  cohort: { n: 10, nMin: 8, colluders: 2 },
  maxUnitsPerStep: 1000,
  delta: 1e-5,
  target: { noiseMultiplier: 1.5 },
};

const withPopulation = (change: object) =>
  completeRequest({ ...REQUEST, populations: [{ ...POPULATION, ...change }] });
const with_ = (change: object) => completeRequest({ ...REQUEST, ...change } as DpPlanRequest);
const withCohort = (change: object) => with_({ cohort: { ...REQUEST.cohort, ...change } });
/** What may be left out is read as absent where it is undefined. */
const given = (read: (value: number) => unknown) => (value: number) => read(value ?? NaN);

const LIMITS: readonly Limit[] = [
  { name: "samplingRate", read: (samplingRate) => withPopulation({ samplingRate }), low: 1e-9, high: 1 },
  { name: "maxGradNorm", read: (maxGradNorm) => withPopulation({ maxGradNorm }), low: 1e-9, high: 1e9 },
  {
    name: "maxSitesPerUnit",
    read: given((maxSitesPerUnit) => withPopulation({ maxSitesPerUnit })),
    low: 1,
    high: 64,
    integer: true,
  },
  { name: "steps", read: (steps) => with_({ steps }), low: 1, high: 1e8, integer: true },
  { name: "dimension", read: (dimension) => with_({ dimension }), low: 1, high: 1e8, integer: true },
  {
    name: "n",
    read: (n) => with_({ cohort: { n, nMin: 2, colluders: 1 } }),
    low: 2,
    high: 100_000,
    integer: true,
  },
  { name: "nMin", read: (nMin) => withCohort({ nMin }), low: 2, high: 10, integer: true },
  { name: "colluders", read: (colluders) => withCohort({ colluders }), low: 1, high: 10, integer: true },
  {
    name: "maxUnitsPerStep",
    read: (maxUnitsPerStep) => with_({ maxUnitsPerStep }),
    low: 1,
    high: 2 ** 31,
    integer: true,
  },
  { name: "delta", read: (delta) => with_({ delta }), low: 1e-13, high: 0.1 },
  { name: "floatSlack", read: given((floatSlack) => with_({ floatSlack })), low: 0, high: 0.1 },
  { name: "epsilon", read: (epsilon) => with_({ target: { epsilon } }), low: 1e-3, high: 1e4 },
  {
    name: "noiseMultiplier",
    read: (noiseMultiplier) => with_({ target: { noiseMultiplier } }),
    low: 0.05,
    high: 1e5,
  },
  {
    name: "threshold",
    read: (threshold) => with_({ profile: { type: "default", threshold } }),
    low: 1,
    high: 10,
    integer: true,
  },
  {
    name: "stepsPerRound",
    read: (stepsPerRound) => with_({ profile: { type: "local", stepsPerRound } }),
    low: 1,
    high: 100_000,
    integer: true,
  },
];

for (const limit of LIMITS) {
  Deno.test(`a plan's ${limit.name} is read up to its bounds and no further`, () =>
    holdsLimit(limit, "ConfigError"));
}

Deno.test("a plan has 1 to 64 populations of different names of 1 to 64 letters, digits, dots, lines and hyphens", () => {
  const list = (count: number) =>
    with_({ populations: Array.from({ length: count }, (_, i) => ({ ...POPULATION, name: `p${i}` })) });
  assert.equal(list(1).populations.length, 1);
  assert.equal(list(64).populations.length, 64);
  for (const count of [0, 65]) assert.throws(() => list(count), { code: "ConfigError" });
  for (const name of ["a", "x".repeat(64), "A_b.c-9"]) {
    assert.equal(withPopulation({ name }).populations[0].name, name);
  }
  for (const name of ["", "x".repeat(65), "a b", "a/b", "ä", 7, null, ["a"]]) {
    assert.throws(() => withPopulation({ name }), { code: "ConfigError" });
  }
  for (const unit of ["patient", "record", "image"]) withPopulation({ unit });
  withPopulation({ unit: "site", samplingRate: 1 });
  for (const unit of ["", "person", undefined, 3]) {
    assert.throws(() => withPopulation({ unit }), { code: "ConfigError" });
  }
});

Deno.test("what a plan must state is refused when it is absent or another word, and what it may leave out is filled in", () => {
  for (const neighboring of [undefined, "replace_special", "both", 1]) {
    assert.throws(() => with_({ neighboring }), { code: "ConfigError" });
  }
  for (const setsAreDisjoint of [undefined, 1, "true", null]) {
    assert.throws(() => with_({ setsAreDisjoint }), { code: "ConfigError" });
  }
  for (const target of [undefined, null, 3, {}, "epsilon"]) {
    assert.throws(() => with_({ target }), { code: "ConfigError" });
  }
  assert.throws(() => with_({ profile: { type: "loose" } }), { code: "ConfigError" });
  const two = [POPULATION, { ...POPULATION, name: "ecg" }];
  assert.throws(() => with_({ populations: two, neighboring: "replace_one" }), {
    code: "ConfigError",
    message: /disjoint sets/,
  });
  with_({ populations: two, neighboring: "replace_one", setsAreDisjoint: false });
  with_({ neighboring: "replace_one" });
  assert.deepEqual(with_({}), {
    ...REQUEST,
    populations: [{ ...POPULATION, maxSitesPerUnit: 1 }],
    profile: { type: "strict" },
    floatSlack: 1e-3,
  });
});

Deno.test("the grid is the next power of two above 1000 sqrt(d), and its sensitivity has clip, slack and rounding", () => {
  for (const [dimension, scale] of [[1, 1024], [4, 2048], [400, 32_768], [1_048_576, 1_048_576]]) {
    const request = with_({ dimension, floatSlack: 1e-2 });
    const grid = gridOf(request);
    assert.equal(grid.scale, scale);
    assert.equal(grid.sensitivity, Math.ceil(scale * 1.01 + Math.sqrt(dimension)) + 1);
  }
});

Deno.test("each site's part of the ring is what 16 deviations of noise leave of it, or what the units of a step need", () => {
  const request = with_({});
  const noise = {
    noiseMultiplier: 1,
    honestShares: 1,
    shareVariance: { numerator: "1", denominator: "1" },
    shareStddev: 100.5,
  };
  const grid = { scale: 32_768, sensitivity: 32_822 };
  // 1000 units need 32,768,000 of the 214,748,364 that each of ten sites has.
  assert.deepEqual(encodingOf(request, grid, noise), {
    ...grid,
    rounding: "unbiased",
    ringBits: 32,
    coordinateLimit: 32_768_000,
  });
  const limit = (maxUnitsPerStep: number, more: object = {}) =>
    encodingOf(with_({ maxUnitsPerStep, ...more }), grid, noise).coordinateLimit;
  const most = 214_748_364 - 16 * 100.5;
  assert.equal(limit(60_000), most);
  assert.equal(limit(Math.floor((10 * most) / 32_768)), most);
  assert.throws(() => limit(Math.floor((10 * most) / 32_768) + 1), {
    code: "ConfigError",
    message: /33 bits/,
  });
  // A local sum has the ring for itself.
  assert.equal(limit(65_000, { profile: { type: "local", stepsPerRound: 1 } }), 65_000 * 32_768);
  assert.throws(() => limit(65_536, { profile: { type: "local", stepsPerRound: 1 } }), {
    code: "ConfigError",
  });
});

Deno.test("the variance of a share is the exact one, rounded up to 1/1024, or to 1 from a million on", () => {
  const shares = (noiseMultiplier: number, sensitivity: number) =>
    noiseOf(with_({}), { sensitivity }, noiseMultiplier).shareVariance;
  // Six honest shares of ten sites: (sigma D)^2 / 6.
  assert.deepEqual(shares(1, 100), { numerator: `${Math.ceil((10_000 / 6) * 1024)}`, denominator: "1024" });
  assert.deepEqual(shares(1.5, 1000), { numerator: `${375_000 * 1024}`, denominator: "1024" });
  assert.deepEqual(shares(1, 2449), { numerator: "1023590571", denominator: "1024" });
  assert.deepEqual(shares(1, 2450), { numerator: "1000417", denominator: "1" });
  // A share below 4 grid units is too narrow for the sum to be a Gaussian.
  assert.equal(
    noiseOf(with_({ cohort: { n: 3, nMin: 3, colluders: 2 } }), { sensitivity: 4 }, 1).shareStddev,
    4,
  );
  assert.throws(() => noiseOf(with_({ cohort: { n: 3, nMin: 3, colluders: 2 } }), { sensitivity: 4 }, 0.99), {
    code: "ConfigError",
    message: /share of 3\.9/,
  });
});

Deno.test("honestShares() refuses the first cohort without an honest share and takes the last one with", () => {
  const cohort = { n: 10, nMin: 3, colluders: 2 };
  assert.equal(honestShares(cohort, { type: "strict" }), 1);
  assert.throws(() => honestShares({ ...cohort, colluders: 3 }, { type: "strict" }), { code: "ConfigError" });
  assert.equal(honestShares(cohort, { type: "local", stepsPerRound: 3 }), 1);
  // 10 - floor(8 * 3 / (t - 2)) - 2 is 1 at t = 6 - and 0 at t = 5.
  const split = { n: 10, nMin: 7, colluders: 2 };
  assert.equal(honestShares(split, { type: "default", threshold: 6 }), 2);
  assert.throws(() => honestShares(split, { type: "default", threshold: 5 }), {
    code: "ConfigError",
    message: /0 honest shares/,
  });
  for (const threshold of [2, 1]) {
    assert.throws(() => honestShares({ ...split, nMin: 10 }, { type: "default", threshold }), {
      code: "ConfigError",
      message: /threshold [12] with 2 colluders/,
    });
  }
  assert.equal(honestShares({ ...split, nMin: 10 }, { type: "default", threshold: 3 }), 8);
});

Deno.test("coinsEvent() is the Poisson binomial of a unit's chances", () => {
  assert.deepEqual(coinsEvent([1, 1], 3), { type: "gaussian", sigma: 1.5 });
  assert.deepEqual(coinsEvent([0.25], 3), {
    type: "poisson",
    q: 0.25,
    event: { type: "gaussian", sigma: 3 },
  });
  assert.deepEqual(coinsEvent([0.5, 0.25], 3), {
    type: "mixture_of_gaussians",
    sigma: 3,
    sensitivities: [0, 1, 2],
    probs: [0.375, 0.5, 0.125],
  });
  // What is rarer than 1e-25 in all joins the count before; the chances still sum to 1.
  const rare = coinsEvent([1e-13, 1e-13, 0.5], 3);
  assert.ok(rare.type === "mixture_of_gaussians");
  assert.deepEqual(rare.sensitivities, [0, 1, 2]);
  const kept = coinsEvent([4e-13, 4e-13, 0.5], 3);
  assert.ok(kept.type === "mixture_of_gaussians" && kept.sensitivities.length === 3 + 0);
  const many = coinsEvent([1e-12, 1e-12, 0.5], 3);
  assert.ok(many.type === "mixture_of_gaussians");
  assert.deepEqual(many.sensitivities, [0, 1, 2, 3]);
  assert.ok(Math.abs(many.probs.reduce((a, b) => a + b) - 1) < 1e-15);
});

Deno.test("views take out the shares that the looker knows, at every number of survivors that is possible", () => {
  const plan = createPlan(REQUEST);
  assert.deepEqual(
    (["public", "server", "participant", "coalition"] as const).map((view) => knownShares(plan, view)),
    [0, 0, 1, 2],
  );
  for (const survivors of [8, 9, 10]) {
    assert.equal(viewNoiseMultiplier(plan, "public", survivors), 1.5 * Math.sqrt(survivors / 6));
    assert.equal(viewNoiseMultiplier(plan, "participant", survivors), 1.5 * Math.sqrt((survivors - 1) / 6));
    assert.equal(viewNoiseMultiplier(plan, "coalition", survivors), 1.5 * Math.sqrt((survivors - 2) / 6));
  }
  for (const survivors of [7, 11, 8.5, NaN]) {
    assert.throws(() => viewNoiseMultiplier(plan, "public", survivors), { code: "ConfigError" });
  }
  assert.deepEqual(viewEvent(plan, "icu", "coalition", 8, 7), {
    type: "self_composed",
    event: { type: "poisson", q: 0.05, event: { type: "gaussian", sigma: 1.5 } },
    count: 7,
  });
  const local = createPlan({ ...REQUEST, profile: { type: "local", stepsPerRound: 3 } });
  assert.equal(viewNoiseMultiplier(local, "coalition", 10), 1.5);
  assert.ok("count" in viewEvent(local, "icu", "public", 10, 7));
  assert.equal((viewEvent(local, "icu", "public", 10, 7) as { count: number }).count, 21);
  assert.equal((groupEvent(local, "icu", 2, 7) as { count: number }).count, 21);
  const size = { name: "group", low: 1, high: 1000, integer: true };
  groupEvent(plan, "icu", 1);
  groupEvent(plan, "icu", size.high);
  for (const bad of [0, 100_001, 1.5]) {
    assert.throws(() => groupEvent(plan, "icu", bad), { code: "ConfigError" });
  }
});

Deno.test("a plan whose coalition has no noise left is a release without protection", () => {
  const plan = createPlan({ ...REQUEST, cohort: { n: 3, nMin: 3, colluders: 2 } });
  const bare = { ...plan, request: { ...plan.request, cohort: { n: 3, nMin: 3, colluders: 3 } } };
  assert.deepEqual(viewEvent(bare, "icu", "coalition", 3), { type: "non_private" });
});

Deno.test("OffThreadEncoder says why an update was not encoded, and gives up what waits when it is closed", async () => {
  const plan = createPlan(REQUEST);
  const encoder = new OffThreadEncoder();
  await assert.rejects(encoder.encode(plan, new Float64Array(3)), {
    code: "InternalError",
    message: /does not have the plan's dimension/,
  });
  assert.equal((await encoder.encode(plan, new Float64Array(400))).length, 400);
  const waiting = assert.rejects(encoder.encode(plan, new Float64Array(400)), {
    message: /encoder was closed/,
  });
  encoder.close();
  await waiting;
});

Deno.test("parsePlan() allows a guarantee one part in a million, in both directions, and another noise never", () => {
  const plan = createPlan(REQUEST);
  const change = (part: object) => ({ ...plan, guarantees: [{ ...plan.guarantees[0], ...part }] });
  const { epsilon } = plan.guarantees[0];
  for (const factor of [1 + 9e-7, 1 - 9e-7]) parsePlan(change({ epsilon: epsilon * factor }));
  for (const factor of [1 + 1.1e-6, 1 - 1.1e-6]) {
    assert.throws(() => parsePlan(change({ epsilon: epsilon * factor })), { code: "PolicyRefused" });
  }
  // An epsilon that is the target is within it.
  const exact = { ...plan, request: { ...plan.request, target: { epsilon } } };
  assert.deepEqual(parsePlan(exact), exact);
  for (const part of [{ population: "ecg" }, { unit: "record" }, { delta: 2e-5 }, { epsilon: NaN }]) {
    assert.throws(() => parsePlan(change(part)), { code: "PolicyRefused" });
  }
  assert.throws(() => parsePlan({ ...plan, guarantees: [] }), { code: "PolicyRefused" });
  assert.throws(() => parsePlan({ ...plan, guarantees: [...plan.guarantees, ...plan.guarantees] }), {
    code: "PolicyRefused",
  });
  assert.throws(() => parsePlan({ ...plan, comment: 1 }), { code: "PolicyRefused" });
  const least = createPlan(with_({ target: { noiseMultiplier: 0.05 }, steps: 1 }));
  assert.deepEqual(parsePlan(least), least);
  for (const noiseMultiplier of [0.049, 100_001, NaN, "1.5", undefined]) {
    const request = { ...plan.request, target: { epsilon: 100 } };
    assert.throws(() => parsePlan({ ...plan, request, noise: { ...plan.noise, noiseMultiplier } }), {
      code: "PolicyRefused",
      message: /no noise multiplier/,
    });
  }
  assert.throws(() => parsePlan({ ...plan, noise: { ...plan.noise, noiseMultiplier: 1.6 } }), {
    code: "PolicyRefused",
    message: /1\.6 where 1\.5/,
  });
});
