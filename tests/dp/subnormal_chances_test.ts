import assert from "node:assert/strict";
import { type DpEvent, epsilonAt } from "../../src/dp/mod.ts";
import { lossRange } from "../../src/dp/pld/discretise.ts";
import { mixturePair } from "../../src/dp/pld/gaussian_pair.ts";

Deno.test("a component of a mixture with a subnormal chance changes no bound, and makes no loss infinite", () => {
  // A group of a thousand units at rate one half has such chances: Pr[none is drawn] = 2^-1000 and less.
  const mixture = (chance: number): DpEvent => ({
    type: "mixture_of_gaussians",
    sigma: 4,
    sensitivities: [0, 200],
    probs: [chance, 1],
  });
  const options = { neighboring: "add_or_remove_one", gridInterval: 1e-2 } as const;
  const without = epsilonAt(mixture(0), 1e-5, options).epsilon;
  for (const chance of [5e-324, 1e-310, 2 ** -1022 * (1 - 2 ** -52)]) {
    const pair = mixturePair([{ weight: 1, mean: 0 }], [{ weight: chance, mean: 0 }, {
      weight: 1,
      mean: -50,
    }]);
    assert.ok(lossRange(pair, 1e-16).every(Number.isFinite), `${lossRange(pair, 1e-16)}`);
    assert.equal(epsilonAt(mixture(chance), 1e-5, options).epsilon, without);
  }
  // The smallest chance that doubles hold in full counts.
  const pair = mixturePair([{ weight: 1, mean: 0 }], [{ weight: 2 ** -1022, mean: 0 }, {
    weight: 1,
    mean: -50,
  }]);
  assert.ok(lossRange(pair, 1e-16).every((loss) => Math.abs(loss - 1022 * Math.LN2) < 1e-9));
});
