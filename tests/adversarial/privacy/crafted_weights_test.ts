import assert from "node:assert/strict";
import { clippedGradientSum, flatten, unflatten, units } from "../../../src/local/mod.ts";
import { SeededRandom } from "../../../src/tensor/seeded_random.ts";
import { ATTENTION, makeCase, RESIDUAL } from "../../local/_attention_fixture.ts";

/** What a plan charges for float32. */
const ETA = 1e-3;
/** The smallest clip that a plan may state, the default, and the largest. */
const CLIPS = [1e-9, 0.1, 1e9];

const KINDS = ["every weight", "stretches of weights", "subnormal", "huge"] as const;

/** Weights whose coordinates, or whole stretches, have wild magnitudes. */
function craft(kind: typeof KINDS[number], flat: Float64Array, random: SeededRandom): Float64Array {
  const wild = (): number => 10 ** (random.integer(60) - 30);
  let stretch = wild();
  return flat.map((value, i) => {
    if (i % 37 === 0) stretch = wild();
    switch (kind) {
      case "every weight":
        return value * wild();
      case "stretches of weights":
        return value * stretch;
      case "subnormal":
        return value * 1e-39;
      case "huge":
        return value * 1e38;
    }
  });
}

for (const [name, options] of [["residual", RESIDUAL], ["attention", ATTENTION]] as const) {
  Deno.test(`no crafted weights of a ${name} model make one unit's addend longer than the plan charges, on either engine`, async () => {
    const { spec, weights, features } = await makeCase(options, [1, 3]);
    const random = new SeededRandom(8);
    const flat = flatten(spec, weights);
    let moved = 0;
    for (const kind of KINDS) {
      const crafted = unflatten(spec, weights, craft(kind, flat, random));
      for (const [set, data] of features.sets) {
        for (const engine of ["host", "device"] as const) {
          for (const bound of CLIPS) {
            const [unit] = units(data);
            const { sum } = await clippedGradientSum(
              spec,
              crafted,
              features,
              new Map([[set, [unit]]]),
              new Map([[set, bound]]),
              { engine },
            );
            const length = Math.hypot(...sum);
            assert.ok(length <= 1 + ETA, `${kind}, ${set}, ${engine}, C = ${bound}: ${length}`);
            if (length > 0.9) moved++;
          }
        }
      }
    }
    assert.ok(moved > 5, "some addend must be at its bound, or the test shows nothing");
  });
}

Deno.test("weights that are not finite are refused before any record is read", async () => {
  const { spec, weights } = await makeCase(RESIDUAL, [1]);
  for (const bad of [NaN, Infinity, -Infinity]) {
    const flat = flatten(spec, weights);
    flat[3] = bad;
    assert.throws(() => unflatten(spec, weights, flat), { code: "ModelError" });
  }
});
