import assert from "node:assert/strict";
import fc from "fast-check";
import { layerShare } from "../../../src/local/_ghost_norms.ts";
import type { PlacedLayer } from "../../../src/local/_layers.ts";
import { selectBackend, tf } from "../../../src/tensor/mod.ts";
import { SeededRandom } from "../../../src/tensor/seeded_random.ts";

await selectBackend("wasm");

/** What a plan charges for float32 (`floatSlack`). */
const ETA = 1e-3;

interface Sizes {
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
}

function denseLayer({ rows, inputs, outputs }: Sizes): PlacedLayer {
  const weight = inputs * outputs;
  return {
    name: "layer",
    kind: "dense",
    rows,
    inputs,
    outputs,
    bias: false,
    weightOffset: 0,
    biasOffset: undefined,
    ranges: [{ start: 0, end: weight }],
  };
}

/** One unit's norm as the device engine has it, and as float64 has it for the same factors. */
async function bothNorms(
  sizes: Sizes,
  a: Float32Array,
  d: Float32Array,
): Promise<{ readonly found: number; readonly exact: number }> {
  const { rows, inputs, outputs } = sizes;
  const squared = tf.tidy(() => {
    const input = tf.tensor2d(a, [rows, inputs]);
    const delta = tf.tensor2d(d, [rows, outputs]);
    return layerShare(denseLayer(sizes), { input, delta }, 1).squared;
  });
  const found = Math.sqrt((await squared.data())[0]);
  squared.dispose();
  const gradient = new Float64Array(inputs * outputs);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < inputs; i++) {
      for (let o = 0; o < outputs; o++) gradient[i * outputs + o] += a[r * inputs + i] * d[r * outputs + o];
    }
  }
  return { found, exact: Math.hypot(...gradient) };
}

/** Norms come out long enough, or as no number at all, which drops the unit. */
function longEnough({ found, exact }: { readonly found: number; readonly exact: number }): boolean {
  return !Number.isFinite(found) || exact < 1e-9 || found * (1 + ETA) >= exact;
}

Deno.test("no factors whose squares leave float32's range make a unit's norm too short", async () => {
  // A crafted model: inputs so small that their squares vanish, deltas so large that the gradient is long.
  for (const sizes of [{ rows: 1, inputs: 32, outputs: 32 }, { rows: 3, inputs: 64, outputs: 64 }]) {
    for (const small of [1e-20, 5e-22, 1e-22, 2e-23, 1e-30]) {
      for (const large of [1e10, 1e17, 1e18, 1e19, 1e25, 1e30]) {
        const a = new Float32Array(sizes.rows * sizes.inputs).fill(small);
        const d = new Float32Array(sizes.rows * sizes.outputs).fill(large);
        const norms = await bothNorms(sizes, a, d);
        assert.ok(longEnough(norms), `${small} * ${large}: ${norms.found} for ${norms.exact}`);
        const turned = await bothNorms({ ...sizes, inputs: sizes.outputs, outputs: sizes.inputs }, d, a);
        assert.ok(longEnough(turned), `${large} * ${small}: ${turned.found} for ${turned.exact}`);
      }
    }
  }
});

Deno.test("rows of any size, mixed and cancelling, keep a unit's float32 norm within the charged slack", async () => {
  const magnitude = fc.oneof(
    fc.integer({ min: -40, max: 30 }),
    fc.integer({ min: -24, max: -17 }),
    fc.integer({ min: 14, max: 19 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        rows: fc.constantFrom(1, 2, 5, 16),
        inputs: fc.constantFrom(1, 8, 64),
        outputs: fc.constantFrom(1, 8, 64),
      }),
      fc.array(fc.tuple(magnitude, magnitude), { minLength: 16, maxLength: 16 }),
      fc.boolean(),
      fc.nat(1e6),
      async (sizes, magnitudes, cancelling, seed) => {
        const { rows, inputs, outputs } = sizes;
        const random = new SeededRandom(seed);
        const a = new Float32Array(rows * inputs), d = new Float32Array(rows * outputs);
        for (let r = 0; r < rows; r++) {
          const pair = cancelling && r % 2 === 1;
          for (let i = 0; i < inputs; i++) {
            a[r * inputs + i] = pair ? a[(r - 1) * inputs + i] : random.normal() * 10 ** magnitudes[r][0];
          }
          for (let o = 0; o < outputs; o++) {
            const before = d[(r - 1) * outputs + o];
            d[r * outputs + o] = pair
              ? -before * (1 + 1e-4 * random.normal())
              : random.normal() * 10 ** magnitudes[r][1];
          }
        }
        const norms = await bothNorms(sizes, a, d);
        assert.ok(longEnough(norms), `${norms.found} for ${norms.exact}`);
      },
    ),
    { numRuns: 150, seed: 42 },
  );
});
