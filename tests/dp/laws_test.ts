import assert from "node:assert/strict";
import {
  deltaAt,
  type DpEvent,
  epsilonAt,
  type Neighboring,
  privacyCurve,
  tradeOff,
} from "../../src/dp/mod.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { MECHANISMS } from "./_helpers.ts";

const ACCOUNTANTS = ["pld", "rdp"] as const;
const ADD = { neighboring: "add_or_remove_one" } as const;

/** Epsilon, or undefined where the accountant does not support the event. */
function epsilon(
  event: DpEvent,
  neighboring: Neighboring,
  accountant: "pld" | "rdp",
  delta = 1e-6,
): number | undefined {
  try {
    return epsilonAt(event, delta, { neighboring, accountant, gridInterval: 1e-3 }).epsilon;
  } catch (error) {
    if (error instanceof FedKimError && error.code === "UnsupportedDpEvent") return undefined;
    throw error;
  }
}

function poisson(q: number, sigma: number): DpEvent {
  return { type: "poisson", q, event: { type: "gaussian", sigma } };
}

function times(event: DpEvent, count: number): DpEvent {
  return { type: "self_composed", event, count };
}

for (const accountant of ACCOUNTANTS) {
  Deno.test(`${accountant}: a count of 12 equals a list of 12, for every mechanism`, () => {
    let tested = 0;
    for (const { event, neighboring } of MECHANISMS) {
      const counted = epsilon(times(event, 12), neighboring, accountant);
      const listed = epsilon(
        { type: "composed", events: Array.from({ length: 12 }, () => event) },
        neighboring,
        accountant,
      );
      assert.equal(counted, listed, event.type);
      const single = epsilon(event, neighboring, accountant);
      // Forgetting the count would make these equal.
      if (counted !== undefined) assert.ok(counted > single! * 1.2, `${event.type}: ${single} to ${counted}`);
      if (counted !== undefined) tested++;
    }
    assert.ok(tested >= 14, `${tested} mechanisms`);
  });

  Deno.test(`${accountant}: the order of a composition does not matter`, () => {
    const events = MECHANISMS.filter(({ event, neighboring }) =>
      neighboring === "add_or_remove_one" && epsilon(event, neighboring, accountant) !== undefined
    ).map(({ event }) => event);
    const forward = epsilon({ type: "composed", events }, "add_or_remove_one", accountant)!;
    const backward = epsilon(
      { type: "composed", events: [...events].reverse() },
      "add_or_remove_one",
      accountant,
    )!;
    assert.ok(Math.abs(forward - backward) < 1e-9 * forward, `${forward} and ${backward}`);
  });

  Deno.test(`${accountant}: nothing costs nothing, and a release without protection costs everything`, () => {
    assert.equal(epsilon({ type: "no_op" }, "add_or_remove_one", accountant), 0);
    assert.equal(epsilon(times(poisson(0.1, 1), 0), "add_or_remove_one", accountant), 0);
    assert.equal(epsilon(poisson(0, 1), "add_or_remove_one", accountant), 0);
    assert.equal(epsilon({ type: "non_private" }, "add_or_remove_one", accountant), Infinity);
  });

  Deno.test(`${accountant}: sampling at rate 1 is no sampling`, () => {
    const plain = epsilon(times({ type: "gaussian", sigma: 3 }, 10), "add_or_remove_one", accountant);
    assert.equal(epsilon(times(poisson(1, 3), 10), "add_or_remove_one", accountant), plain);
    // Close to 1 the sampled formulas must come close too.
    const nearly = epsilon(times(poisson(1 - 1e-9, 3), 10), "add_or_remove_one", accountant)!;
    assert.ok(Math.abs(nearly - plain!) < 1e-3 * plain!, `${nearly} and ${plain}`);
  });

  Deno.test(`${accountant}: epsilon grows with steps and rate and falls with noise and delta`, () => {
    const at = (q: number, sigma: number, steps: number, delta: number) =>
      epsilon(times(poisson(q, sigma), steps), "add_or_remove_one", accountant, delta)!;
    const base = at(0.02, 1.2, 200, 1e-6);
    assert.ok(at(0.02, 1.2, 220, 1e-6) > base);
    assert.ok(at(0.022, 1.2, 200, 1e-6) > base);
    assert.ok(at(0.02, 1.3, 200, 1e-6) < base);
    assert.ok(at(0.02, 1.2, 200, 2e-6) < base);
  });

  Deno.test(`${accountant}: replacing a unit costs at least as much as adding or removing one`, () => {
    for (const { event } of MECHANISMS) {
      const replaced = epsilon(times(event, 5), "replace_one", accountant);
      const added = epsilon(times(event, 5), "add_or_remove_one", accountant);
      if (replaced === undefined || added === undefined) continue;
      assert.ok(replaced >= added * (1 - 1e-9), `${event.type}: ${replaced} below ${added}`);
    }
  });

  Deno.test(`${accountant}: deltaAt() inverts epsilonAt()`, () => {
    for (const delta of [1e-9, 1e-6, 1e-3]) {
      const event = times(poisson(0.02, 1.2), 300);
      const options = { ...ADD, accountant };
      const found = deltaAt(event, epsilonAt(event, delta, options).epsilon, options).delta;
      assert.ok(Math.abs(found / delta - 1) < 1e-4, `${found} for ${delta}`);
    }
  });
}

Deno.test("rdp is an upper bound on pld wherever both support a mechanism", () => {
  for (const { event, neighboring } of MECHANISMS) {
    const rdp = epsilon(times(event, 20), neighboring, "rdp");
    const pld = epsilon(times(event, 20), neighboring, "pld");
    // The exponential mechanism: the Renyi bound uses its bounded range, which the pld bound does not.
    if (rdp === undefined || pld === undefined || event.type === "exponential") continue;
    assert.ok(rdp >= pld - 2e-3, `${event.type}: rdp ${rdp} below pld ${pld}`);
  }
});

Deno.test("pld lies between the exact Gaussian curve and a hair above it", () => {
  for (const sigma of [0.5, 1, 4, 20]) {
    for (const delta of [1e-10, 1e-6, 1e-2]) {
      const event: DpEvent = times({ type: "gaussian", sigma }, 7);
      const exact = epsilonAt(event, delta, { ...ADD, accountant: "analytic_gaussian" }).epsilon;
      const pld = epsilonAt(event, delta, ADD).epsilon;
      // At delta = 1e-10 the tail of 1e-15 that is added to delta shows in the fifth digit.
      assert.ok(pld >= exact - 1e-9 && pld <= exact * (1 + 1e-5) + 1e-6, `sigma ${sigma}: ${exact}, ${pld}`);
    }
  }
});

Deno.test("a finer pld grid never gives a larger epsilon", () => {
  const event = times(poisson(0.01, 0.8), 30_000);
  let last = Infinity;
  for (const gridInterval of [1e-2, 1e-3, 1e-4]) {
    const { epsilon } = epsilonAt(event, 1e-6, { ...ADD, gridInterval });
    assert.ok(epsilon <= last * (1 + 1e-7), `${epsilon} at ${gridInterval}, ${last} before`);
    last = epsilon;
  }
});

Deno.test("pld refuses what rounding would hide: too many compositions", () => {
  const many = times(poisson(1e-6, 5), 1_000_000_000);
  assert.throws(() => epsilonAt(many, 1e-6, ADD), { code: "UnsupportedDpEvent" });
  assert.ok(epsilonAt(many, 1e-6, { ...ADD, accountant: "rdp" }).epsilon > 0);
});

Deno.test("permute-and-flip with three candidates stays below the Laplace curve charged for it", () => {
  const eps = 1;
  const pmf = (scores: readonly number[]): number[] => {
    const best = Math.max(...scores);
    const p = scores.map((s) => Math.exp((eps / 2) * (s - best)));
    const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    const out = [0, 0, 0];
    for (const order of orders) {
      let left = 1 / 6;
      for (const i of order) {
        out[i] += left * p[i];
        left *= 1 - p[i];
      }
    }
    return out;
  };
  const steps = [-1, 0, 1];
  const starts = [0, 0.7, 1.9, 4];
  for (const a of starts) {
    for (const b of starts) {
      for (const x of steps) {
        for (const y of steps) {
          for (const z of steps) {
            const p = pmf([0, a, b]);
            const q = pmf([x, a + y, b + z]);
            for (const e of [0, 0.2, 0.5, 0.8]) {
              const hockey = p.reduce((sum, pi, i) => sum + Math.max(0, pi - Math.exp(e) * q[i]), 0);
              const laplace = 1 - Math.exp((e - eps) / 2);
              assert.ok(hockey <= laplace + 1e-12, `${hockey} above ${laplace} at ${e}`);
            }
          }
        }
      }
    }
  }
});

Deno.test("tradeOff() of a Gaussian is Phi(Phi^-1(1 - x) - mu), from below", () => {
  const epsilons = Array.from({ length: 400 }, (_, i) => i / 40);
  const curve = privacyCurve({ type: "gaussian", sigma: 1 }, epsilons, ADD);
  // f(0.05) for mu = 1: Phi(1.6448536 - 1).
  const exact = 0.7404893;
  const found = tradeOff(curve, 0.05);
  assert.ok(found <= exact + 1e-6 && found > exact - 1e-3, `${found}`);
});

Deno.test("sums of discrete Gaussian shares of 4 grid units and more cost what the Gaussian costs", () => {
  // One coordinate, exact distribution of the sum, at growing resolution: the lattice vanishes.
  let last = Infinity;
  for (const width of [4, 16, 64]) {
    const shares = 3;
    const lattice = epsilonAt(
      {
        type: "self_composed",
        count: 20,
        event: {
          type: "sum_of_discrete_gaussians",
          local_sigma: width,
          num_shares: shares,
          l2_sensitivity: width,
          l1_sensitivity: width,
          dimension: 1,
        },
      },
      1e-6,
      ADD,
    ).epsilon;
    const plain = epsilonAt(
      times({ type: "gaussian", sigma: Math.sqrt(shares) }, 20),
      1e-6,
      { ...ADD, accountant: "analytic_gaussian" },
    ).epsilon;
    const gap = Math.abs(lattice / plain - 1);
    assert.ok(gap < 2e-3 && gap <= last + 1e-6, `share of ${width} units: ${lattice}, Gaussian ${plain}`);
    last = gap;
  }
  assert.ok(last < 2e-5, `${last}`);
});
