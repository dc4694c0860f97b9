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
