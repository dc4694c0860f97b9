import assert from "node:assert/strict";
import { setModel, uploadBatch } from "../../src/local/_batch.ts";
import { logits, summedLoss, uploadParameters } from "../../src/local/_forward.ts";
import { noHook } from "../../src/local/_layer_ops.ts";
import {
  clippedGradientSum,
  type EngineName,
  federatedParameters,
  flatten,
  type SetFeatures,
  unflatten,
  units,
} from "../../src/local/mod.ts";
import { readFloat32, selectBackend, tf } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { ATTENTION, type Case, makeCase, RESIDUAL } from "./_attention_fixture.ts";

/** The summed loss of all records of a set, added up in float64 record by record. */
async function lossAt({ spec, weights }: Case, set: SetFeatures, flat: Float64Array): Promise<number> {
  const model = setModel(spec, set);
  const parameters = uploadParameters(spec, unflatten(spec, weights, flat), model);
  const parameter = (name: string): tf.Tensor => parameters.get(name) as tf.Tensor;
  let total = 0;
  for (let row = 0; row < set.size; row++) {
    const loss = tf.tidy(() => {
      const batch = uploadBatch(spec, set, model, [row], 1);
      return summedLoss(model.heads, logits(spec, model, batch, { parameter, hook: noHook }), batch);
    });
    total += (await readFloat32(loss))[0];
    loss.dispose();
  }
  for (const tensor of parameters.values()) tensor.dispose();
  return total;
}

const ENGINES: readonly EngineName[] = ["host", "device"];

for (const [name, options] of [["residual", RESIDUAL], ["attention", ATTENTION]] as const) {
  Deno.test(`the gradients of both engines are those of finite differences: ${name} encoders, every loss`, async () => {
    await selectBackend("wasm");
    const made = await makeCase(options, [1, 3, 2]);
    const random = new SeededRandom(8);
    const at = flatten(made.spec, made.weights);
    const { parameters } = federatedParameters(made.spec);
    for (const set of made.features.sets.values()) {
      const all = new Map([[set.name, units(set)]]);
      const sums = await Promise.all(ENGINES.map(async (engine) => {
        const { spec, weights, features } = made;
        const bound = new Map([[set.name, 1]]);
        return (await clippedGradientSum(spec, weights, features, all, bound, { clipping: false, engine }))
          .sum;
      }));
      // One direction per tensor, so that no layer hides behind a larger one.
      for (const { name: tensor, offset, size } of parameters) {
        const direction = new Float64Array(at.length);
        for (let i = offset; i < offset + size; i++) direction[i] = random.normal() / Math.sqrt(size);
        const step = 0.02;
        const along = (factor: number) =>
          lossAt(made, set, at.map((value, i) => value + factor * direction[i]));
        // Fourth-order central difference: the error of the step is far below that of float32 losses.
        const [far, near, back, farBack] = [
          await along(2 * step),
          await along(step),
          await along(-step),
          await along(-2 * step),
        ];
        const found = (8 * (near - back) - (far - farBack)) / (12 * step);
        for (const [index, sum] of sums.entries()) {
          const wanted = sum.reduce((total, value, i) => total + value * direction[i], 0);
          const slack = 2e-3 * (1 + Math.abs(wanted));
          assert.ok(
            Math.abs(found - wanted) < slack,
            `${set.name} ${tensor} ${ENGINES[index]}: ${found}, ${wanted}`,
          );
        }
      }
    }
  });
}
