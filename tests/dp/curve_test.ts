import assert from "node:assert/strict";
import { deltaOfLoss, epsilonOfLoss, LossDistribution } from "../../src/dp/pld/mod.ts";

const close = (found: number, expected: number) =>
  assert.ok(Math.abs(found - expected) < 1e-12, `${found} is not ${expected}`);

Deno.test("epsilonOfLoss() inverts deltaOfLoss() on, between, above and below the points of the grid", () => {
  const loss = new LossDistribution(0.5, 2, Float64Array.of(0.4, 0, 0.35, 0.2), 0.05);
  for (const epsilon of [0.1, 0.5, 0.9, 1, 1.2, 1.5, 1.7, 2, 2.3, 2.4999]) {
    const delta = deltaOfLoss(loss, epsilon);
    // Sum of m (1 - e^{epsilon - y}) over the losses y above epsilon, and what is infinite.
    const sum = [[1, 0.4], [2, 0.35], [2.5, 0.2]].reduce(
      (total, [y, mass]) => total + mass * Math.max(0, 1 - Math.exp(epsilon - y)),
      0.05,
    );
    close(delta, sum);
    close(epsilonOfLoss(loss, delta), epsilon);
  }
  assert.equal(epsilonOfLoss(loss, 0.049), Infinity);
  close(epsilonOfLoss(loss, 0.05), 2.5);
  assert.deepEqual([
    epsilonOfLoss(loss, 0.99),
    epsilonOfLoss(loss, 1),
    deltaOfLoss(loss, 2.5),
    deltaOfLoss(loss, 9),
  ], [
    ...[0, 0, 0.05, 0.05],
  ]);
  close(
    deltaOfLoss(loss, 0),
    0.05 + 0.4 * (1 - Math.exp(-1)) + 0.35 * (1 - Math.exp(-2)) + 0.2 * (1 - Math.exp(-2.5)),
  );
});

Deno.test("losses below zero cost nothing, and those that straddle it only their upper part", () => {
  const loss = new LossDistribution(0.5, -2, Float64Array.of(0.3, 0.3, 0.2, 0.1, 0.1), 0);
  close(deltaOfLoss(loss, 0), 0.1 * (1 - Math.exp(-0.5)) + 0.1 * (1 - Math.exp(-1)));
  assert.equal(epsilonOfLoss(loss, deltaOfLoss(loss, 0) + 1e-9), 0);
  close(epsilonOfLoss(loss, deltaOfLoss(loss, 0.3)), 0.3);
  close(epsilonOfLoss(loss, 0), 1);
  assert.equal(epsilonOfLoss(new LossDistribution(0.5, -3, Float64Array.of(0.5, 0.5), 0), 1e-9), 0);
});
