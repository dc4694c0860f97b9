import assert from "node:assert/strict";
import { calibrated, plattScaling } from "../../src/federation/platt_scaling.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";

Deno.test("plattScaling() finds the slope and intercept that made the labels", () => {
  const random = new SeededRandom(7);
  const scores = Float64Array.from({ length: 20_000 }, () => 3 + 2 * random.normal());
  const truth = { slope: 0.8, intercept: -2.9 };
  const labels = Array.from(scores, (score) => random.next() < calibrated(score, truth) ? 1 : 0);
  const found = plattScaling(scores, labels)!;
  // Five standard errors of a logistic fit on so many records.
  assert.ok(Math.abs(found.slope - truth.slope) < 0.07, `${found.slope}`);
  assert.ok(Math.abs(found.intercept - truth.intercept) < 0.25, `${found.intercept}`);
});

Deno.test("plattScaling() promises no certainty on separable scores and does not depend on their scale", () => {
  const scores = [-3, -2, -1, 1, 2, 3];
  const labels = [0, 0, 0, 1, 1, 1];
  const found = plattScaling(scores, labels)!;
  const top = calibrated(3, found);
  assert.ok(top > 0.7 && top < 0.95, `${top}`);
  const scaled = plattScaling(scores.map((score) => 1e6 * score + 5), labels)!;
  assert.ok(Math.abs(calibrated(3e6 + 5, scaled) - top) < 1e-9);
});

Deno.test("plattScaling() calibrates nothing with one class or equal scores", () => {
  assert.equal(plattScaling([1, 2, 3], [1, 1, 1]), undefined);
  assert.equal(plattScaling([1, 2, 3], [0, 0, 0]), undefined);
  assert.equal(plattScaling([2, 2, 2], [0, 1, 0]), undefined);
  assert.equal(plattScaling([], []), undefined);
});

Deno.test("plattScaling() ends at the optimum also on few records with outlying scores, and never turns them round", () => {
  const random = new SeededRandom(46);
  let fitted = 0;
  for (let set = 0; set < 1500; set++) {
    const n = 20 + random.integer(40);
    const labels = Array.from({ length: n }, () => random.next() < 0.08 ? 1 : 0);
    const scores = labels.map((label) => random.normal() + label);
    for (let i = random.integer(3); i > 0; i--) scores[random.integer(n)] = 40 * random.normal();
    const found = plattScaling(scores, labels);
    if (found === undefined) continue;
    fitted++;
    assert.ok(found.slope > 0);
    // At the optimum the mean probability is the mean target, whatever the slope.
    const positives = labels.reduce((sum: number, label) => sum + label, 0);
    const target = (positives * (positives + 1) / (positives + 2) + (n - positives) / (n - positives + 2)) /
      n;
    const mean = scores.reduce((sum, score) => sum + calibrated(score, found), 0) / n;
    assert.ok(Math.abs(mean - target) < 1e-6, `${mean} instead of ${target}`);
  }
  assert.ok(fitted > 700, `${fitted} fitted`);
});
