import assert from "node:assert/strict";
import {
  calibrateNoiseMultiplier,
  deltaAt,
  type DpEvent,
  epsilonAt,
  gaussianDelta,
  gaussianEpsilon,
  groupPrivacy,
  maxSteps,
  privacyCurve,
  PrivacyOdometer,
  RenyiFilter,
  tradeOff,
} from "../../src/dp/mod.ts";
import { largestRejected } from "../../src/dp/audit/counts.ts";
import { bisect, goldenSection } from "../../src/dp/numerics/mod.ts";
import { holdsLimit, nextDouble } from "./_limits.ts";

const ADD = { neighboring: "add_or_remove_one" } as const;
const NOTHING: DpEvent = { type: "no_op" };
const EVERYTHING: DpEvent = { type: "non_private" };
const TARGET = { ...ADD, epsilon: 1, delta: 1e-6 } as const;

Deno.test("maxSteps() finds the last step that fits, wherever it is, and stops at its limit", () => {
  const upTo = (most: number) => (steps: number): DpEvent => steps <= most ? NOTHING : EVERYTHING;
  for (let most = 0; most <= 70; most++) {
    assert.equal(maxSteps(upTo(most), TARGET), most);
    for (const limit of [1, 2, 3, 4, 5, 31, 32, 33, 64, 65]) {
      assert.equal(maxSteps(upTo(most), TARGET, limit), Math.min(most, limit), `${most} of ${limit}`);
    }
  }
  for (const most of [1023, 1024, 1025, 9_999_998, 9_999_999, 10_000_000, Infinity]) {
    assert.equal(maxSteps(upTo(most), TARGET), Math.min(most, 10_000_000));
  }
  // Nothing beyond the limit is asked.
  const asked: number[] = [];
  maxSteps((steps) => (asked.push(steps), NOTHING), TARGET, 100);
  assert.ok(Math.max(...asked) === 100 && asked.length <= 9, asked.join());
});

Deno.test("calibrateNoiseMultiplier() is above the least noise that fits by at most its tolerance", () => {
  const from = (least: number) => (sigma: number): DpEvent => sigma >= least ? NOTHING : EVERYTHING;
  for (let i = 0; i < 60; i++) {
    const least = 0.0123 * 1.32 ** i;
    const found = calibrateNoiseMultiplier(from(least), TARGET);
    assert.ok(found >= least && found - least <= 1e-4, `${found} for ${least}`);
    const rough = calibrateNoiseMultiplier(from(least), { ...TARGET, tolerance: 0.5 });
    assert.ok(rough >= least && rough - least <= Math.min(0.5, least + 1e-9));
  }
  // Below 0.01 nothing is searched, above a million there is none.
  const free = calibrateNoiseMultiplier(from(0), TARGET);
  assert.ok(free < 0.01 && free > 0.005, `${free}`);
  assert.ok(calibrateNoiseMultiplier(from(500_000), TARGET) < 500_000.001);
  assert.throws(
    () => calibrateNoiseMultiplier(from(1_048_576.5), TARGET),
    (error: { code: string; details: { reason: string } }) =>
      error.code === "ConfigError" && error.details.reason === "target_out_of_reach",
  );
});

Deno.test("an epsilon equal to the target is within it, for noise, steps and filters", () => {
  const event: DpEvent = { type: "gaussian", sigma: 1 };
  const { epsilon } = epsilonAt(event, 1e-6, { ...ADD, accountant: "analytic_gaussian" });
  const target = { ...TARGET, epsilon, accountant: "analytic_gaussian" } as const;
  assert.ok(calibrateNoiseMultiplier((sigma) => ({ type: "gaussian", sigma }), target) <= 1);
  assert.equal(maxSteps((count) => ({ type: "self_composed", event, count }), target), 1);
  const charge = new RenyiFilter({ ...ADD, epsilon: 1, delta: 1e-6, order: 8 }).epsilonAfter(event);
  const exact = new RenyiFilter({ ...ADD, epsilon: charge, delta: 1e-6, order: 8 });
  assert.equal(exact.wouldExceed(event), false);
  exact.spend(event);
  assert.equal(exact.epsilon(), charge);
  assert.equal(exact.wouldExceed(event), true);
});

Deno.test("privacy parameters are read up to their bounds and no further", () => {
  const code = "ConfigError";
  const accountants = ["pld", "rdp", "analytic_gaussian"] as const;
  for (const accountant of accountants) {
    const options = { ...ADD, accountant };
    const one = nextDouble(1, -1);
    holdsLimit({ name: "delta", read: (d) => epsilonAt(NOTHING, d, options), low: 1e-13, high: one }, code);
    holdsLimit({ name: "epsilon", read: (e) => deltaAt(NOTHING, e, options), low: 0, high: 1e9 }, code);
  }
  for (const grid of [{ gridInterval: 1e-7 }, { gridInterval: 1 }, {}]) {
    epsilonAt(NOTHING, 1e-6, { ...ADD, ...grid });
    privacyCurve(NOTHING, [1], { ...ADD, ...grid });
  }
  for (const gridInterval of [nextDouble(1e-7, -1), nextDouble(1), 0, NaN, -1, Infinity]) {
    assert.throws(() => epsilonAt(NOTHING, 1e-6, { ...ADD, gridInterval }), { code });
    assert.throws(() => privacyCurve(NOTHING, [1], { ...ADD, gridInterval }), { code });
  }
  holdsLimit({ name: "curve", read: (e) => privacyCurve(NOTHING, [1, e], ADD), low: 0, high: 1e9 }, code);
  assert.throws(() => privacyCurve(NOTHING, [1], {} as typeof ADD), { code });
  const filter = (change: object) =>
    new RenyiFilter({ ...ADD, epsilon: 1, delta: 1e-6, order: 8, ...change });
  holdsLimit(
    { name: "order", read: (order) => filter({ order }), low: 2, high: 100_000, integer: true },
    code,
  );
  holdsLimit({ name: "filter epsilon", read: (epsilon) => filter({ epsilon }), low: 0, high: 1e9 }, code);
  holdsLimit(
    { name: "filter delta", read: (delta) => filter({ delta }), low: 1e-13, high: nextDouble(1, -1) },
    code,
  );
  assert.throws(() => filter({ neighboring: "both" }), { code });
  const size = { name: "group", low: 1, high: Number.MAX_SAFE_INTEGER, integer: true };
  holdsLimit({ ...size, read: (n) => groupPrivacy(0, 1e-6, n) }, code);
  holdsLimit({ name: "group epsilon", read: (e) => groupPrivacy(e, 0, 1), low: 0, high: 1e9 }, code);
  for (const delta of [1, nextDouble(1e-13, -1), -1e-6, NaN]) {
    assert.throws(() => groupPrivacy(1, delta, 2), { code });
  }
  for (const bad of [{ delta: 0 }, { epsilon: -1 }]) {
    assert.throws(() => maxSteps(() => NOTHING, { ...TARGET, ...bad }), { code });
    assert.throws(() => calibrateNoiseMultiplier(() => NOTHING, { ...TARGET, ...bad }), { code });
  }
  assert.throws(
    () => epsilonAt({ type: "gaussian", sigma: 1 }, 1e-6, { ...ADD, accountant: "gut" as "pld" }),
    { code },
  );
});

Deno.test("groupPrivacy() is the published (k epsilon, delta (e^{k epsilon} - 1) / (e^epsilon - 1))", () => {
  const { epsilon, delta } = groupPrivacy(Math.LN2, 1e-6, 3);
  assert.ok(Math.abs(epsilon - 3 * Math.LN2) < 1e-15 && Math.abs(delta - 7e-6) < 1e-19);
  assert.deepEqual(groupPrivacy(2, 0, 3), { epsilon: 6, delta: 0 });
});

Deno.test("what costs nothing and what costs everything is so in every question", () => {
  const options = { ...ADD, accountant: "pld" } as const;
  assert.deepEqual(epsilonAt(NOTHING, 1e-6, options), { ...options, epsilon: 0, delta: 1e-6 });
  assert.deepEqual(deltaAt(NOTHING, 2, options), { ...options, epsilon: 2, delta: 0 });
  assert.deepEqual(epsilonAt(EVERYTHING, 1e-6, options), { ...options, epsilon: Infinity, delta: 1e-6 });
  assert.deepEqual(deltaAt(EVERYTHING, 2, options), { ...options, epsilon: 2, delta: 1 });
  assert.deepEqual(privacyCurve(NOTHING, [0, 2], ADD), [{ epsilon: 0, delta: 0 }, { epsilon: 2, delta: 0 }]);
  assert.deepEqual(privacyCurve(EVERYTHING, [0, 2], ADD), [{ epsilon: 0, delta: 1 }, {
    epsilon: 2,
    delta: 1,
  }]);
  const laplace: DpEvent = {
    type: "composed",
    events: [{ type: "gaussian", sigma: 1 }, { type: "laplace", b: 1 }],
  };
  assert.throws(() => epsilonAt(laplace, 1e-6, { ...ADD, accountant: "analytic_gaussian" }), {
    code: "UnsupportedDpEvent",
  });
});

Deno.test("the analytic accountant composes Gaussians by mu^2 = sum of (reach / sigma)^2, and replacing doubles mu", () => {
  const event: DpEvent = {
    type: "composed",
    events: [{ type: "self_composed", event: { type: "gaussian", sigma: 4 }, count: 9 }, {
      type: "gaussian",
      sigma: 2,
    }],
  };
  const mu = Math.sqrt(9 / 16 + 1 / 4);
  const at = (neighboring: "add_or_remove_one" | "replace_one" | "replace_special") =>
    epsilonAt(event, 1e-6, { neighboring, accountant: "analytic_gaussian" }).epsilon;
  assert.equal(at("add_or_remove_one"), gaussianEpsilon(mu, 1e-6));
  assert.equal(at("replace_special"), gaussianEpsilon(mu, 1e-6));
  assert.equal(at("replace_one"), gaussianEpsilon(2 * mu, 1e-6));
  const options = { ...ADD, accountant: "analytic_gaussian" } as const;
  assert.equal(deltaAt(event, 1.5, options).delta, gaussianDelta(mu, 1.5));
});

/** mu, epsilon, delta; mpmath 1.3 with mp.dps = 60. */
const GAUSSIAN_DELTAS = [
  [1, 0.5, 0.23842170813487663],
  [1, 3, 0.0015371853694009548],
  [0.1, 0.2, 0.00093744595932859913],
  [0.01, 0.03, 3.8792564221307841e-6],
  [0.001, 0.001, 8.3357132125208494e-5],
  [4, 10, 0.23369880786218617],
  [10, 60, 0.13683538039646127],
  [30, 300, 0.99999965397434447],
  [0.5, 0, 0.19741265136584745],
  [2, 0, 0.6826894921370859],
  [1, 5.5, 4.5241534666912771e-8],
] as const;

Deno.test("gaussianDelta() agrees with forty-digit values, also where its two terms nearly cancel", () => {
  // Phi(mu/2 - e/mu) - exp(e) Phi(-mu/2 - e/mu), Balle and Wang 2018.
  for (const [mu, epsilon, exact] of GAUSSIAN_DELTAS) {
    const found = gaussianDelta(mu, epsilon);
    assert.ok(Math.abs(found / exact - 1) < 1e-9, `${mu}, ${epsilon}: ${found} and ${exact}`);
    if (epsilon > 0) {
      assert.ok(Math.abs(gaussianEpsilon(mu, exact) / epsilon - 1) < 1e-9, `${mu}, ${exact}`);
    }
  }
  // Total variation is the delta at epsilon 0: from there on nothing is left to pay.
  assert.equal(gaussianEpsilon(1, 0.3829249225480263), 0);
  assert.ok(gaussianEpsilon(1, 0.38292) > 0);
});

Deno.test("tradeOff() of one (epsilon, delta) is max(0, 1 - delta - e^eps x, e^-eps (1 - delta - x))", () => {
  const curve = [{ epsilon: Math.log(3), delta: 0.1 }];
  for (
    const [x, y] of [[0, 0.9], [0.1, 0.6], [0.2, 0.3], [0.225, 0.225], [0.3, 0.2], [0.6, 0.1], [0.9, 0], [
      1,
      0,
    ]]
  ) {
    assert.ok(Math.abs(tradeOff(curve, x) - y) < 1e-12, `${x}: ${tradeOff(curve, x)}`);
  }
  assert.equal(tradeOff([], 0.3), 0);
});

Deno.test("PrivacyOdometer gives each of its filters an equal part of delta and reads the first that holds", () => {
  const event: DpEvent = { type: "zcdp", rho: 0.01, xi: 0 };
  const epsilons = [4, 1, 2];
  const odometer = new PrivacyOdometer({ ...ADD, delta: 3e-6, epsilons, order: 20 });
  let filters = [1, 2, 4].map((epsilon) => ({
    epsilon,
    filter: new RenyiFilter({ ...ADD, epsilon, delta: 1e-6, order: 20 }),
  }));
  assert.equal(odometer.reading(), 1);
  let steps = 0;
  for (; odometer.reading() < Infinity; steps++) {
    filters = filters.filter(({ filter }) => !filter.wouldExceed(event));
    for (const { filter } of filters) filter.force(event);
    odometer.spend(event);
    assert.equal(odometer.reading(), filters[0]?.epsilon ?? Infinity, `step ${steps}`);
  }
  assert.ok(steps > 15 && steps < 40, `${steps}`);
});

Deno.test("PrivacyOdometer chooses for each of its eight epsilons the order that suits a Gaussian", () => {
  // Order 1 + 2 ln(1/delta) / epsilon, at least 2: the levels must give way at these steps of rho = 0.01.
  const odometer = new PrivacyOdometer({ ...ADD, delta: 1e-5 });
  const event: DpEvent = { type: "zcdp", rho: 0.01, xi: 0 };
  const ways: [step: number, reading: number][] = [];
  for (let step = 0, last = 0; last < Infinity && step < 20_000; step++) {
    const reading = odometer.reading();
    if (reading !== last) ways.push([step, reading]);
    last = reading;
    odometer.spend(event);
  }
  const orders = [0.5, 1, 2, 4, 8, 16, 32, 64].map((epsilon) =>
    Math.max(2, Math.round(1 + (2 * Math.log(8e5)) / epsilon))
  );
  assert.deepEqual(orders, [55, 28, 15, 8, 4, 3, 2, 2]);
  const gives = orders.map((order, i) => {
    const filter = new RenyiFilter({ ...ADD, epsilon: 2 ** (i - 1), delta: 1e-5 / 8, order });
    let steps = 0;
    for (; !filter.wouldExceed(event); steps++) filter.force(event);
    return steps;
  });
  assert.deepEqual(ways.map(([step]) => step), [0, ...gives.map((steps) => steps + 1)].slice(0, ways.length));
  assert.deepEqual(
    ways.map(([, reading]) => reading),
    [0.5, 1, 2, 4, 8, 16, 32, 64, Infinity].slice(0, ways.length),
  );
  assert.ok(ways.length >= 9);
});

Deno.test("bisect() closes in on the first point that holds, and ends where doubles end", () => {
  for (const root of [0.1, 0.5, 0.75, 0.999]) {
    const [low, high] = bisect(0, 1, 1e-6, (x) => x >= root);
    assert.ok(low < root && root <= high && high - low <= 1e-6 && high - low > 4e-7);
  }
  const [low, high] = bisect(1, 2, 0, (x) => x >= 1.3);
  assert.equal(nextDouble(low), high);
  assert.deepEqual(bisect(3, 5, 2, () => assert.fail("asked")), [3, 5]);
});

Deno.test("goldenSection() halves its bracket by the golden ratio and returns a point with its value", () => {
  for (const best of [0.2, 1, 2.7]) {
    const asked: number[] = [];
    const { x, value } = goldenSection(0, 3, 30, (x) => (asked.push(x), (x - best) ** 2));
    assert.ok(Math.abs(x - best) < 3 * 0.619 ** 30 + 1e-7, `${x} for ${best}`);
    assert.equal(value, (x - best) ** 2);
    assert.equal(asked.length, 32);
    assert.ok(asked.every((at) => at > 0 && at < 3));
  }
});

Deno.test("largestRejected() is within 1e-7 of the largest epsilon that is rejected", () => {
  for (const edge of [1e-3, 0.3, 1, 1.7, 900, 9999]) {
    const found = largestRejected((epsilon) => epsilon <= edge);
    assert.ok(found <= edge && found > edge - 1.0001e-7, `${found} for ${edge}`);
  }
  for (let i = 1; i < 50; i++) {
    const edge = i / 49.5;
    const found = largestRejected((epsilon) => epsilon <= edge);
    assert.ok(found <= edge && edge - found <= 1e-7);
  }
  assert.equal(largestRejected(() => false), 0);
  assert.ok(largestRejected(() => true) > 1e4);
});
