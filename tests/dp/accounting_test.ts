import assert from "node:assert/strict";
import {
  calibrateNoiseMultiplier,
  type DpEvent,
  epsilonAt,
  maxSteps,
  PrivacyOdometer,
  RenyiFilter,
} from "../../src/dp/mod.ts";

const ADD = { neighboring: "add_or_remove_one" } as const;

function schedule(sigma: number, steps: number): DpEvent {
  return {
    type: "self_composed",
    event: { type: "poisson", q: 0.05, event: { type: "gaussian", sigma } },
    count: steps,
  };
}

Deno.test("calibrateNoiseMultiplier() returns the smallest noise that is never over the target", () => {
  for (const accountant of ["pld", "rdp"] as const) {
    const target = { ...ADD, accountant, epsilon: 2, delta: 1e-6 };
    const sigma = calibrateNoiseMultiplier((s) => schedule(s, 100), target);
    assert.ok(epsilonAt(schedule(sigma, 100), 1e-6, target).epsilon <= 2);
    assert.ok(epsilonAt(schedule(sigma - 3e-4, 100), 1e-6, target).epsilon > 2);
  }
});

Deno.test("calibrateNoiseMultiplier() says when no noise meets the target", () => {
  assert.throws(
    () =>
      calibrateNoiseMultiplier(() => ({ type: "eps_delta", epsilon: 3, delta: 0 }), {
        ...ADD,
        epsilon: 1,
        delta: 1e-6,
      }),
    { code: "ConfigError", message: /No amount of noise/ },
  );
  for (const [epsilon, delta] of [[NaN, 1e-6], [-1, 1e-6], [1, 0], [1, NaN]]) {
    assert.throws(() => calibrateNoiseMultiplier((s) => schedule(s, 1), { ...ADD, epsilon, delta }), {
      code: "ConfigError",
    });
  }
});

Deno.test("maxSteps() is the last step within the target", () => {
  const target = { ...ADD, epsilon: 1.5, delta: 1e-6 };
  const steps = maxSteps((n) => schedule(1.2, n), target);
  assert.ok(epsilonAt(schedule(1.2, steps), 1e-6, ADD).epsilon <= 1.5);
  assert.ok(epsilonAt(schedule(1.2, steps + 1), 1e-6, ADD).epsilon > 1.5);
  assert.equal(maxSteps((n) => schedule(0.3, n), { ...target, epsilon: 0.1 }), 0);
  assert.equal(maxSteps((n) => schedule(50, n), target, 7), 7);
});

Deno.test("RenyiFilter admits events until its budget and spends nothing when it refuses", () => {
  const filter = new RenyiFilter({ ...ADD, epsilon: 2, delta: 1e-6, order: 12 });
  assert.equal(filter.epsilon(), 0);
  let admitted = 0;
  while (!filter.wouldExceed(schedule(2, 1))) {
    filter.spend(schedule(2, 1));
    admitted++;
  }
  assert.ok(admitted > 10);
  const before = filter.epsilon();
  assert.ok(before <= 2);
  assert.throws(() => filter.spend(schedule(2, 1)), { code: "BudgetExceeded" });
  assert.equal(filter.epsilon(), before);
  // The schedule that the filter let through is within the budget by the tight accountant too.
  assert.ok(epsilonAt(schedule(2, admitted), 1e-6, ADD).epsilon <= 2);
});

Deno.test("RenyiFilter refuses every event that may fail altogether, since its theorem has no place for it", () => {
  const filter = new RenyiFilter({ ...ADD, epsilon: 5, delta: 1e-6, order: 12 });
  for (const delta of [1e-6, 1e-9, 1e-300]) {
    assert.equal(filter.wouldExceed({ type: "eps_delta", epsilon: 0.1, delta }), true);
  }
  assert.equal(filter.wouldExceed({ type: "eps_delta", epsilon: 0.1, delta: 0 }), false);
  for (const order of [1, 1.5, NaN, 2 ** 40]) {
    assert.throws(() => new RenyiFilter({ ...ADD, epsilon: 1, delta: 1e-6, order }), { code: "ConfigError" });
  }
});

Deno.test("PrivacyOdometer reads at least the epsilon of a fixed composition, and never falls", () => {
  const odometer = new PrivacyOdometer({ ...ADD, delta: 1e-6 });
  let last = 0;
  for (let step = 1; step <= 300; step++) {
    odometer.spend(schedule(0.8, 1));
    const reading = odometer.reading();
    assert.ok(reading >= last);
    last = reading;
    if (step % 100 === 0) {
      assert.ok(reading >= epsilonAt(schedule(0.8, step), 1e-6, { ...ADD, gridInterval: 1e-3 }).epsilon);
    }
  }
  assert.ok(last > 2 && last < Infinity, `${last}`);
  odometer.spend({ type: "zcdp", rho: 1000, xi: 0 });
  assert.equal(odometer.reading(), Infinity);
});
