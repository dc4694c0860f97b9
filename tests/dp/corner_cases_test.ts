import assert from "node:assert/strict";
import { auditPower, deltaAt, epsilonAt, OffThreadEncoder } from "../../src/dp/mod.ts";
import { PoissonSampler } from "../../src/dp/noise/poisson_noise.ts";
import { WordSource } from "../../src/dp/noise/word_source.ts";
import { discretise } from "../../src/dp/pld/discretise.ts";
import type { ContinuousPair } from "../../src/dp/pld/pairs.ts";
import { createPlan } from "../../src/dp/plan/mod.ts";
import { renderPlot } from "../../src/dp/report/svg_plot.ts";

Deno.test("a privacy loss that spreads evenly around zero is too wide for the grid by its width, not by its middle", () => {
  const pair = (reach: number): ContinuousPair => ({
    kind: "continuous",
    range: () => [-reach, reach],
    tails: (_, out) => void Object.assign(out, { pBelow: 0, pAbove: 1, qBelow: 0, qAbove: 1 }),
  });
  assert.throws(() => discretise(pair(3e6), 1, 1e-9), { code: "UnsupportedDpEvent" });
});

Deno.test("the spread of one step covers at least 500 points of the default grid", () => {
  // A Gaussian's losses span 2 mu sqrt(2 ln 10^7); grids are 1e-4 times powers of two.
  const spread = 2 * Math.sqrt(-2 * Math.log(1e-7));
  for (const [share, grid] of [[1 - 5e-4, 1e-4 / 16], [1 + 5e-4, 1e-4 / 8]]) {
    const mu = (500 * share * 1e-4) / 8 / spread;
    const { gridInterval } = epsilonAt({ type: "gaussian", sigma: 1 / mu }, 1e-5, {
      neighboring: "add_or_remove_one",
    });
    assert.equal(gridInterval, grid);
  }
});

Deno.test("a coin of the audit's power falls by less than one half, one half not included", () => {
  const power = (coin: number): number =>
    auditPower({
      ...{ canaries: 1, guesses: 1, claim: () => 1, actualMu: 0, trials: 3 },
      normal: () => 0,
      uniform: () => coin,
    });
  // The one canary is guessed to be in; with this claim a right guess refutes and a wrong one does not.
  assert.deepEqual([power(0.5 - 2 ** -40), power(0.5)], [1, 0]);
});

Deno.test("an encoder at the end of its block gives up what waits", async () => {
  const plan = createPlan({
    populations: [{ name: "icu", unit: "patient", samplingRate: 0.05, maxGradNorm: 1 }],
    ...{ setsAreDisjoint: true, neighboring: "add_or_remove_one", steps: 50, dimension: 400 },
    cohort: { n: 10, nMin: 8, colluders: 2 },
    ...{ maxUnitsPerStep: 1000, delta: 1e-5, target: { noiseMultiplier: 1.5 } },
  });
  let waiting: Promise<void>;
  {
    using encoder = new OffThreadEncoder();
    waiting = assert.rejects(encoder.encode(plan, new Float64Array(400)), { message: /encoder was closed/ });
  }
  await waiting;
});

Deno.test("a Poisson mean that is 0 in doubles is refused, though its ratio is above 0", () => {
  const words = new WordSource((length) => new Uint8Array(length));
  assert.throws(() => new PoissonSampler({ numerator: 1n, denominator: 1n << 1100n }, words), {
    code: "ConfigError",
  });
});

Deno.test("a series without points is not drawn, and a label of 18 characters is not cut", () => {
  const plot = (label: string, empty: boolean): string =>
    renderPlot({
      ...{ id: "p", title: "T", description: "D", xLabel: "x", yLabel: "y", labels: "ends" as const },
      series: [...(empty ? [{ label: "none", points: [] }] : []), { label, points: [[0, 1], [1, 2]] }],
    });
  assert.equal(plot("one", true), plot("one", false));
  assert.ok(plot("x".repeat(18), false).includes(`>${"x".repeat(18)}<`));
  assert.ok(plot("x".repeat(19), false).includes(`>${"x".repeat(17)}…<`));
});

Deno.test("a mechanism that shows everything has no finite epsilon and delta 1, not a grid without numbers", () => {
  const event = { type: "eps_delta", epsilon: 1, delta: 1 } as const;
  for (const count of [1, 5]) {
    const all = { type: "self_composed", event, count } as const;
    assert.equal(epsilonAt(all, 1e-5, { neighboring: "add_or_remove_one" }).epsilon, Infinity);
    assert.equal(deltaAt(all, 1, { neighboring: "add_or_remove_one" }).delta, 1);
  }
});
