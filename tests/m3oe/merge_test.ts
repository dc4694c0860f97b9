import assert from "node:assert/strict";
import { decoderForward, logitsOf } from "../../src/foundation/mod.ts";
import { expertAdapter, expertScale, loadInjection, saveInjection } from "../../src/m3oe/mod.ts";
import { readFloat32, tf } from "../../src/tensor/mod.ts";
import { assertClose, seededTensor } from "../tensor/_compare.ts";
import { refuses, TOY_TASKS, toySamples, trainToy, withFolder, withToyBase } from "./_toy.ts";

Deno.test("a merged decoder gives the hidden states of the experts beside the base within 1e-5", async () => {
  await withToyBase(async (base) => {
    const { model } = await trainToy(base, { learningRate: 1e-2 });
    const { weights, config } = base.decoder;
    const x = seededTensor([3, 9, 16], 4) as tf.Tensor3D;
    const scale = tf.tidy(() => expertScale(model.gateOf(TOY_TASKS[0]), 2, 2));
    const adapter = expertAdapter(model.parameters.lookup, scale);
    const unmerged = await readFloat32(decoderForward(weights, config, x, { adapter }).hidden);
    const merged = await model.merge("shock");
    const { hidden } = decoderForward(merged.decoder.weights, config, x);
    assertClose(await readFloat32(hidden), unmerged, 1e-5, "hidden states");
    merged.unmerge();
    scale.dispose();
    model.dispose();
  });
});

Deno.test("unmerge() gives the base back bit for bit and frees everything that was made", async () => {
  await withToyBase(async (base) => {
    const { model } = await trainToy(base, { learningRate: 1e-2 });
    const { config } = base.decoder;
    const x = seededTensor([2, 5, 16], 4) as tf.Tensor3D;
    const hidden = async (decoder: typeof base.decoder): Promise<Float32Array> => {
      const tensor = tf.tidy(() => decoderForward(decoder.weights, config, x).hidden);
      const values = (await readFloat32(tensor)).slice();
      tensor.dispose();
      return values;
    };
    const frozen = await hidden(base.decoder);
    const tensors = tf.memory().numTensors;
    const merged = await model.merge("shock");
    assert.notDeepEqual(await hidden(merged.decoder), frozen);
    assert.notEqual(merged.decoder.baseHash, base.decoder.baseHash);
    const back = merged.unmerge();
    assert.equal(back, base.decoder);
    assert.deepEqual(await hidden(back), frozen);
    assert.equal(tf.memory().numTensors, tensors);
    await assert.rejects(model.merge("nobody"), refuses("UnknownTask"));
    model.dispose();
  });
});

Deno.test("experts that are not finite are never merged: no score, no answer, nothing left allocated", async () => {
  await withToyBase(async (base) => {
    const { model } = await trainToy(base, { epochs: 1 });
    const samples = toySamples(4, 3);
    for (const bad of [NaN, Infinity]) {
      const { variable } = model.parameters.named.find(({ name }) => name === "layers.1.o_proj.up")!;
      tf.tidy(() => variable.assign(tf.fill(variable.shape, bad)));
      const tensors = tf.memory().numTensors;
      for (
        const attempt of [() => model.merge("shock"), () => model.score(samples), () => model.answer(samples)]
      ) {
        await assert.rejects(attempt, refuses("ModelError"));
      }
      assert.equal(tf.memory().numTensors, tensors, "tensors were leaked");
    }
    model.dispose();
  });
});

Deno.test("the output head can be a target: trained, merged, saved and loaded like a linear layer", async () => {
  await withToyBase(async (base) => {
    const targetModules = ["v_proj", "lm_head"] as const;
    for (const answerLoss of ["answers", "vocabulary"] as const) {
      const { model } = await trainToy(base, {
        targetModules,
        answerLoss,
        learningRate: 1e-2,
        epochs: 2,
      });
      assert.ok((await readFloat32(model.parameters.head!.up)).some((value) => Math.abs(value) > 1e-3));
      const scale = tf.tidy(() => expertScale(model.gateOf(TOY_TASKS[0]), 2, 2));
      const hidden = seededTensor([4, 16], 6) as tf.Tensor2D;
      const { down, up } = model.parameters.head!;
      const expected = logitsOf(base.decoder.weights, hidden).add(
        tf.matMul(tf.matMul(hidden, down).mul(scale), up),
      );
      const merged = await model.merge("shock");
      assertClose(
        await readFloat32(logitsOf(merged.decoder.weights, hidden)),
        await readFloat32(expected),
        1e-5,
        "logits",
      );
      merged.unmerge();
      const samples = toySamples(6, 3);
      await withFolder(async (folder) => {
        await saveInjection(model, folder);
        const loaded = await loadInjection(folder, base);
        assert.deepEqual(await loaded.score(samples), await model.score(samples));
        loaded.dispose();
      });
      model.dispose();
    }
  });
});
