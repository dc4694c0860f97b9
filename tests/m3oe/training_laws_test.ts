import assert from "node:assert/strict";
import { expertAdapter } from "../../src/m3oe/mod.ts";
import type { InjectedModel, InjectionConfig, InjectionSample } from "../../src/m3oe/mod.ts";
import { dropoutAdapter, dropoutMask } from "../../src/m3oe/lora_dropout.ts";
import { spreadTeachers } from "../../src/m3oe/teacher_spread.ts";
import { stepGradients } from "../../src/m3oe/training_step.ts";
import { decoderForward } from "../../src/foundation/mod.ts";
import { disposeAll, readFloat32, readScalar, selectBackend, tf } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { assertClose, seededTensor } from "../tensor/_compare.ts";
import { TOY_TASKS, toySamples, trainToy, withToyBase } from "./_toy.ts";

/** Samples of one task and layout whose answers differ in length. */
function openSamples(): InjectionSample[] {
  return ["yes", "no pneumonia in the image", "labs", "image labs vitals", "no", "vitals image"].map((
    label,
    i,
  ) => ({
    ...toySamples(2, 5 + i)[1],
    task: "describe",
    label,
  }));
}

async function gradientsOf(
  model: InjectedModel,
  samples: readonly InjectionSample[],
): Promise<Map<string, Float32Array>> {
  const { gradients } = await stepGradients(model, TOY_TASKS, model.encode(samples), { seed: 1, step: 0 });
  const values = new Map<string, Float32Array>();
  for (const [name, gradient] of gradients) values.set(name, (await readFloat32(gradient)).slice());
  disposeAll(gradients.values());
  return values;
}

/** The same model with other settings. */
async function withConfig(
  model: InjectedModel,
  config: Partial<InjectionConfig>,
  body: (changed: InjectedModel) => Promise<void>,
): Promise<void> {
  const { InjectedModel: Model } = await import("../../src/m3oe/mod.ts");
  await body(new Model(model.base, { ...model.config, ...config }, model.parameters, model.tasks));
}

Deno.test("gradient accumulation gives the gradients of the whole batch within 1e-6", async () => {
  await withToyBase(async (base) => {
    const { model } = await trainToy(base, { epochs: 1, loadBalance: 0.1 });
    const before = tf.memory().numTensors;
    for (const samples of [toySamples(32, 9).filter((_, i) => i % 2 === 0), openSamples()]) {
      const whole = await gradientsOf(model, samples);
      for (const accumulation of [2, 3, 16, 100]) {
        await withConfig(model, { accumulation }, async (changed) => {
          const parts = await gradientsOf(changed, samples);
          assert.deepEqual([...parts.keys()].sort(), [...whole.keys()].sort());
          const largest = Math.max(...[...whole.values()].flatMap((values) => [...values].map(Math.abs)));
          for (const [name, values] of whole) {
            values.forEach((value, i) =>
              assert.ok(Math.abs(parts.get(name)![i] - value) <= 1e-6 * largest, `${accumulation} ${name}`)
            );
          }
        });
      }
    }
    assert.equal(tf.memory().numTensors, before, "tensors were leaked");
    model.dispose();
  });
});

Deno.test("the loss of a batch has the gradients that finite differences give, in every trained part", async () => {
  await withToyBase(async (base) => {
    const options = { loadBalance: 0.3, gateEntropy: 0.2, gateTemperature: 0.7 };
    const targetModules = ["q_proj", "down_proj", "lm_head"] as const;
    for (const answerLoss of ["answers", "vocabulary"] as const) {
      const config = {
        ...options,
        targetModules,
        answerLoss,
        epochs: 2,
        learningRate: 2e-2,
        maxGradNorm: 10,
      };
      const { model } = await trainToy(base, config);
      const samples = toySamples(8, 12).filter((_, i) => i % 2 === 0);
      const analytic = await gradientsOf(model, samples);
      const { loadImbalance, relativeEntropy } = await import("../../src/m3oe/mod.ts");
      const loss = async (): Promise<number> => {
        const value = tf.tidy(() => {
          const alphas = tf.concat2d(TOY_TASKS.map((task) => model.gateOf(task)), 0);
          return model.batchLoss(model.encode(samples)).add(loadImbalance(alphas).mul(0.3))
            .add(relativeEntropy(alphas).mul(0.2));
        });
        const result = await readScalar(value);
        value.dispose();
        return result;
      };
      const shift = async (variable: tf.Variable, at: number, by: number): Promise<void> => {
        const values = (await readFloat32(variable)).slice();
        values[at] += by;
        tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
      };
      for (const { name, variable } of model.parameters.named) {
        const gradient = analytic.get(name);
        if (gradient === undefined) continue;
        const sizes = [...gradient].map(Math.abs);
        const at = sizes.indexOf(Math.max(...sizes));
        const step = 2e-2;
        await shift(variable, at, step);
        const above = await loss();
        await shift(variable, at, -2 * step);
        const below = await loss();
        await shift(variable, at, step);
        const numeric = (above - below) / (2 * step);
        assert.ok(
          Math.abs(numeric - gradient[at]) < 0.03 * Math.abs(gradient[at]) + 2e-4,
          `${answerLoss} ${name}: ${numeric} and ${gradient[at]}`,
        );
      }
      model.dispose();
    }
  });
});

Deno.test("before the first step the model's hidden states are the base's, bit for bit", async () => {
  await withToyBase(async (base) => {
    const { model } = await trainToy(base, { epochs: 1, learningRate: 1e-30, warmup: 0, decay: "none" });
    const ups = model.parameters.named.filter(({ name }) => name.endsWith(".up"));
    for (const { variable } of ups) tf.tidy(() => variable.assign(tf.zeros(variable.shape)));
    const merged = await model.merge("shock");
    const x = seededTensor([3, 7, 16], 4) as tf.Tensor3D;
    const { weights, config } = base.decoder;
    const adapter = expertAdapter(model.parameters.lookup, tf.ones([1, 6]));
    const hidden = async (w: typeof weights, options = {}): Promise<Float32Array> =>
      (await readFloat32(decoderForward(w, config, x, options).hidden)).slice();
    const frozen = await hidden(weights);
    assert.deepEqual(await hidden(weights, { adapter }), frozen);
    assert.deepEqual(await hidden(merged.decoder.weights), frozen);
    merged.unmerge();
    model.dispose();
  });
});

Deno.test("permuting the experts with the gate's outputs changes no score", async () => {
  await withToyBase(async (base) => {
    const { model } = await trainToy(base, { learningRate: 1e-2 });
    const samples = toySamples(16, 4);
    const scores = await model.score(samples);
    const weights = await model.expertWeights(TOY_TASKS[0]);
    const order = [2, 0, 1];
    const r = 2;
    const columns = order.flatMap((expert) => Array.from({ length: r }, (_, i) => expert * r + i));
    for (const { name, variable } of model.parameters.named) {
      const axis = name.endsWith(".down")
        ? 1
        : name.endsWith(".up") || name.startsWith("gate.out")
        ? 0
        : undefined;
      if (axis === undefined) continue;
      const picks = tf.tensor1d(name.startsWith("gate.out") ? order : columns, "int32");
      tf.tidy(() => variable.assign(tf.gather(variable, picks, axis)));
      picks.dispose();
    }
    assertClose(
      await model.expertWeights(TOY_TASKS[0]),
      order.map((expert) => weights[expert]),
      1e-6,
      "gate",
    );
    assertClose(await model.score(samples), scores, 1e-5, "scores");
    model.dispose();
  });
});

Deno.test("dropout on the experts' input is off at inference, seeded, and without bias", async () => {
  await withToyBase(async (base) => {
    const config = { loraDropout: 0.5, epochs: 2 };
    const { model, losses } = await trainToy(base, config);
    const again = await trainToy(base, config);
    const plain = await trainToy(base, { epochs: 2 });
    assert.deepEqual(again.losses, losses);
    assert.notDeepEqual(plain.losses, losses);
    const samples = toySamples(8, 4);
    assert.deepEqual(await model.score(samples), await model.score(samples));
    assert.deepEqual(await again.model.score(samples), await model.score(samples));
    for (const { model } of [again, plain]) model.dispose();
    model.dispose();
  });
  await selectBackend("wasm");
  const mask = await readFloat32(dropoutMask([300, 101], 0.25, new SeededRandom(1)));
  const dropped = mask.filter((value) => value === 0).length / mask.length;
  // 30,300 draws: 6 sigma is 0.015.
  assert.ok(Math.abs(dropped - 0.25) < 0.015, String(dropped));
  assert.deepEqual([...new Set(mask)].sort(), [0, Math.fround(4 / 3)]);
});

Deno.test("without a dropped input, the dropout form of the layer is the plain one", async () => {
  await selectBackend("wasm");
  const [x, weight] = [seededTensor([5, 8], 1), seededTensor([8, 12], 2)] as tf.Tensor2D[];
  const pair = { down: seededTensor([8, 6], 3) as tf.Tensor2D, up: seededTensor([6, 12], 4) as tf.Tensor2D };
  const scale = seededTensor([1, 6], 5) as tf.Tensor2D;
  const dropped = dropoutAdapter(() => pair, scale, 1e-9, new SeededRandom(1));
  const plain = expertAdapter(() => pair, scale);
  assertClose(
    await readFloat32(dropped.project(0, "q_proj", x, { weight })!),
    await readFloat32(plain.project(0, "q_proj", x, { weight })!),
    1e-6,
    "layer",
  );
});

Deno.test("with distillation 1 and the labels as teachers nothing changes; a teacher of 1/2 pulls scores to 0", async () => {
  await withToyBase(async (base) => {
    const samples = toySamples(96, 1);
    const sure = samples.map((sample) => ({ ...sample, teacher: Number(sample.label) }));
    const unsure = samples.map((sample) => ({ ...sample, teacher: 0.5 }));
    for (const answerLoss of ["answers", "vocabulary"] as const) {
      const config = { learningRate: 1e-2, epochs: 10, answerLoss };
      const plain = await trainToy(base, config, { samples });
      const taught = await trainToy(base, { ...config, distillation: 1 }, { samples: sure });
      const vague = await trainToy(base, { ...config, distillation: 1 }, { samples: unsure });
      assertClose(taught.losses, plain.losses, 1e-4, "losses");
      const size = async ({ model }: { model: InjectedModel }): Promise<number> => {
        const scores = await model.score(toySamples(32, 7));
        return scores.reduce((sum, score) => sum + Math.abs(score), 0) / scores.length;
      };
      assert.ok(await size(vague) < 0.7 * await size(plain), answerLoss);
      for (const { model } of [plain, taught, vague]) model.dispose();
    }
  });
});

Deno.test("teacherSpread keeps a teacher's order, and centres an unbalanced or saturated one", async () => {
  await withToyBase(async (base) => {
    const samples = toySamples(96, 1);
    const { model } = await trainToy(base, { epochs: 1 }, { samples });
    // A rare finding: hardly any probability, but a clear order; the surest are beyond float64's last digit.
    const rare = samples.map((sample, i) => ({ ...sample, teacher: [1e-9, 1e-6, 1e-3, 1][i % 4] }));
    const encoded = model.encode(rare);
    const spread = spreadTeachers(encoded, 2).map(({ teacher }) => teacher!);
    assert.equal(spreadTeachers(encoded, 0), encoded);
    for (const group of Map.groupBy(spread.keys(), (i) => rare[i].task).values()) {
      const logits = [...group].map((i) => Math.log(spread[i] / (1 - spread[i])));
      const mean = logits.reduce((sum, z) => sum + z / logits.length, 0);
      const variance = logits.reduce((sum, z) => sum + (z - mean) ** 2 / logits.length, 0);
      assert.ok(Math.abs(mean) < 1e-9 && Math.abs(variance - 4) < 1e-9);
      for (const a of group) {
        for (const b of group) assert.equal(spread[a] < spread[b], rare[a].teacher < rare[b].teacher);
      }
    }
    const constant = model.encode(samples.map((sample) => ({ ...sample, teacher: 0.2 })));
    assert.ok(spreadTeachers(constant, 2).every(({ teacher }) => Math.abs(teacher! - 0.5) < 1e-9));
    model.dispose();
  });
});
