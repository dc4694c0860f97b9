import assert from "node:assert/strict";
import type { DpEvent, LeafEvent, Neighboring } from "../../src/dp/mod.ts";
import { discretise, fitsGrid } from "../../src/dp/pld/discretise.ts";
import { pairsOf } from "../../src/dp/pld/leaf_pairs.ts";
import { summaryOf } from "../../src/dp/report/wording.ts";
import type { AtomicPair } from "../../src/dp/pld/pairs.ts";
import { REPORTS } from "./_report_samples.ts";

const CODE = { code: "UnsupportedDpEvent" };
const pairs = (event: DpEvent, neighboring: Neighboring = "add_or_remove_one") =>
  pairsOf(event as LeafEvent, neighboring);

Deno.test("exact distributions of integer noise are made up to a width and a shift of 20,000 grid units", () => {
  const gaussian = (sigma: number, sensitivity: number): DpEvent => ({
    type: "discrete_gaussian",
    sigma,
    sensitivity,
  });
  pairs(gaussian(20_000, 1));
  pairs(gaussian(100, 20_000));
  pairs(gaussian(100, 10_000), "replace_one");
  for (const [sigma, sensitivity] of [[20_000.5, 1], [100, 20_001], [100, 1.5]]) {
    assert.throws(() => pairs(gaussian(sigma, sensitivity)), CODE);
  }
  assert.throws(() => pairs(gaussian(100, 10_001), "replace_one"), CODE);
  pairs({ type: "discrete_laplace", a: 1 / 20_000, sensitivity: 1 });
  assert.throws(() => pairs({ type: "discrete_laplace", a: 1 / 20_001, sensitivity: 1 }), CODE);
  const skellam = (variance: number): DpEvent => ({
    type: "skellam",
    variance,
    l2_sensitivity: 1,
    l1_sensitivity: 1,
  });
  pairs(skellam(20_000 ** 2));
  assert.throws(() => pairs(skellam(20_000.5 ** 2)), CODE);
  const shares = (local_sigma: number): DpEvent => ({
    type: "sum_of_discrete_gaussians",
    local_sigma,
    num_shares: 4,
    l2_sensitivity: 1,
    l1_sensitivity: 1,
    dimension: 1,
  });
  // Ten times the deviation of the sum counts as the width: 2 * 1000.
  assert.throws(() => pairs(shares(1000.5)), CODE);
  pairs(shares(20));
  assert.throws(() => pairs({ ...gaussian(3, 1), dimension: 2 } as DpEvent), CODE);
});

Deno.test("a sampled mechanism has a privacy loss distribution only where its own is symmetric and known", () => {
  const sampled = (event: DpEvent) => () => pairs({ type: "poisson", q: 0.1, event });
  const inner: DpEvent[] = [
    { type: "gaussian", sigma: 2 },
    { type: "laplace", b: 2 },
    { type: "discrete_gaussian", sigma: 3, sensitivity: 1 },
  ];
  for (const event of inner) assert.ok(sampled(event)().remove);
  const others: DpEvent[] = [
    { type: "mixture_of_gaussians", sigma: 2, sensitivities: [0, 1], probs: [0.5, 0.5] },
    { type: "skellam", variance: 40, l2_sensitivity: 1, l1_sensitivity: 1 },
    { type: "discrete_laplace", a: 0.5, sensitivity: 1 },
  ];
  for (const event of others) {
    pairs(event);
    assert.throws(sampled(event), CODE, event.type);
  }
});

Deno.test("the masses of integer noise sum to 1 with what is left for infinity, and their losses mirror each other", () => {
  const events: DpEvent[] = [
    { type: "discrete_gaussian", sigma: 3, sensitivity: 2 },
    { type: "discrete_laplace", a: 0.3, sensitivity: 2 },
    { type: "skellam", variance: 40, l2_sensitivity: 2, l1_sensitivity: 2 },
    {
      type: "sum_of_discrete_gaussians",
      local_sigma: 1.5,
      num_shares: 6,
      l2_sensitivity: 2,
      l1_sensitivity: 2,
      dimension: 1,
    },
  ];
  for (const event of events) {
    const { losses, masses, infinityMass } = pairs(event).remove as AtomicPair;
    const total = masses.reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(total + infinityMass - 1) < 1e-13, `${event.type}: ${total}`);
    // E_P[e^-L] is the mass of Q where P has mass.
    const other = masses.reduce((sum, mass, i) => sum + mass * Math.exp(-losses[i]), 0);
    assert.ok(Math.abs(other - 1) < 1e-13, `${event.type}: ${other}`);
    // Swapping P and Q mirrors the noise: Pr[L = l] under P is e^l times that under Q.
    const at = (loss: number) =>
      masses.reduce((sum, mass, i) => sum + (Math.abs(losses[i] - loss) < 1e-9 ? mass : 0), 0);
    const loss = losses[Math.floor(losses.length / 2)];
    assert.ok(Math.abs(at(loss) / (Math.exp(loss) * at(-loss)) - 1) < 1e-9);
  }
});

Deno.test("a loss on the grid keeps the masses of P, and the moment E_P[e^-L] that is the mass of Q", () => {
  for (
    const event of [{ type: "gaussian", sigma: 1.3 }, { type: "laplace", b: 1.7 }, {
      type: "eps_delta",
      epsilon: 0.77,
      delta: 0,
    }] as DpEvent[]
  ) {
    for (const interval of [0.01, 0.3]) {
      const { masses, lowest, infinityMass } = discretise(pairs(event).remove, interval, 1e-15);
      const total = masses.reduce((a, b) => a + b, 0) + infinityMass;
      const other = masses.reduce((sum, mass, i) => sum + mass * Math.exp(-(lowest + i) * interval), 0);
      assert.ok(Math.abs(total - 1) < 1e-13, `${event.type}: ${total}`);
      assert.ok(Math.abs(other - 1) < 1e-9, `${event.type} at ${interval}: ${other}`);
    }
  }
});

Deno.test("a grid holds fewer than 2^22 - 4 steps of losses", () => {
  const pair = (width: number): AtomicPair => ({
    kind: "atomic",
    losses: Float64Array.of(0, width),
    masses: Float64Array.of(0.5, 0.5),
    infinityMass: 0,
  });
  const most = 2 ** 22 - 4;
  assert.equal(fitsGrid(pair(most - 1), 1, 1e-15), true);
  assert.equal(fitsGrid(pair(most), 1, 1e-15), false);
  assert.equal(fitsGrid(pair(most / 2 - 1), 0.5, 1e-15), true);
  assert.throws(() => discretise(pair(2 ** 22), 1, 1e-15), CODE);
  assert.equal(discretise(pair(7), 1, 1e-15).masses.length, 8);
});

Deno.test("of sets that have used equal parts of their budgets the first is named", () => {
  const { rich } = REPORTS;
  const [row] = rich.sites[0].rows;
  const rows = ["first", "second"].map((population) => ({ ...row, population, spent: 1, budget: 2 }));
  const text = summaryOf({ ...rich, sites: [{ ...rich.sites[0], rows }] }).join(" ");
  assert.match(text, /first is used most: 1\.00 of 2\.00/);
  const curves = ["third", "fourth"].map((population) => ({ ...rich.curves[0], population }));
  assert.match(summaryOf({ ...rich, curves }).join(" "), /least protected set \(third\)/);
});
