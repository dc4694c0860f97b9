import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import type { InjectedModel, InjectionBase, InjectionConfig } from "../../src/m3oe/mod.ts";
import { InjectionOptimizer } from "../../src/m3oe/optimizer.ts";
import { AdamW, clipFactor, readFloat32, selectBackend, tf } from "../../src/tensor/mod.ts";
import { assertClose, seededTensor } from "../tensor/_compare.ts";
import { refuses, taughtSamples, toySamples, trainToy, withFolder, withToyBase } from "./_toy.ts";

/** Everything random is switched on. */
const NOISY: Partial<InjectionConfig> = {
  epochs: 3,
  loraDropout: 0.2,
  tokenNoise: 0.1,
  expertDropout: 0.3,
  mixing: { kind: "uniform" },
  learningRate: 1e-2,
};

async function weights(model: InjectedModel): Promise<Record<string, Float32Array>> {
  const values: Record<string, Float32Array> = {};
  for (const { name, variable } of model.parameters.named) {
    values[name] = (await readFloat32(variable)).slice();
  }
  return values;
}

/** Runs until the given step, then stops by the signal, which leaves a checkpoint. */
async function interrupted(
  base: InjectionBase,
  config: Partial<InjectionConfig>,
  path: string,
  after: number,
): Promise<number[]> {
  const controller = new AbortController();
  const losses: number[] = [];
  const run = trainToy(base, config, {
    checkpoint: { path, everySteps: 5 },
    signal: controller.signal,
    onStep: ({ step, loss }) => {
      losses.push(loss);
      if (step === after) controller.abort();
    },
  });
  await assert.rejects(run, refuses("Interrupted"));
  return losses;
}

Deno.test("a run that was stopped and went on is an uninterrupted one, bit for bit, wherever it stopped", async () => {
  for (const backend of ["wasm", "cpu"] as const) {
    await withToyBase(async (base) => {
      const before = tf.memory().numTensors;
      const whole = await trainToy(base, NOISY);
      const expected = await weights(whole.model);
      const perEpoch = whole.losses.length / 3;
      for (const after of backend === "cpu" ? [7] : [1, 7, perEpoch, 2 * perEpoch + 3]) {
        await withFolder(async (folder) => {
          const path = `${folder}/injection.safetensors`;
          const first = await interrupted(base, NOISY, path, after);
          const rest = await trainToy(base, NOISY, { checkpoint: { path } });
          assert.deepEqual([...first, ...rest.losses], whole.losses);
          assert.deepEqual(await weights(rest.model), expected);
          rest.model.dispose();
        });
      }
      whole.model.dispose();
      assert.equal(tf.memory().numTensors, before, "tensors were leaked");
    }, backend);
  }
});

Deno.test("mixed token by token, a run that was stopped and went on is an uninterrupted one, bit for bit", async () => {
  await withToyBase(async (base) => {
    const config: Partial<InjectionConfig> = {
      ...NOISY,
      distillation: 1,
      teacherSpread: 1.5,
      teacherMixing: 0.25,
      teacherMixingUnit: "token",
    };
    const samples = taughtSamples(96, 1);
    const whole = await trainToy(base, config, { samples });
    const records = await trainToy(base, { ...config, teacherMixingUnit: "record" }, { samples });
    assert.notDeepEqual(records.losses, whole.losses);
    await withFolder(async (folder) => {
      const checkpoint = { path: `${folder}/injection.safetensors`, everySteps: 5 };
      const controller = new AbortController();
      const onStep = ({ step }: { step: number }): void => {
        if (step === 7) controller.abort();
      };
      const first = trainToy(base, config, { samples, checkpoint, onStep, signal: controller.signal });
      await assert.rejects(first, refuses("Interrupted"));
      const rest = await trainToy(base, config, { samples, checkpoint });
      assert.deepEqual(rest.losses, whole.losses.slice(7));
      assert.deepEqual(await weights(rest.model), await weights(whole.model));
      rest.model.dispose();
    });
    for (const { model } of [whole, records]) model.dispose();
  });
});

Deno.test("a run that died between checkpoints repeats the steps since the last one and ends the same", async () => {
  await withToyBase(async (base) => {
    const whole = await trainToy(base, NOISY);
    await withFolder(async (folder) => {
      const path = `${folder}/injection.safetensors`;
      const died = trainToy(base, NOISY, {
        checkpoint: { path, everySteps: 4 },
        onStep: ({ step }) => {
          if (step === 7) throw new Error("power cut");
        },
      });
      await assert.rejects(died, /power cut/);
      const steps: number[] = [];
      const { model } = await trainToy(base, NOISY, {
        checkpoint: { path },
        onStep: ({ step }) => steps.push(step),
      });
      assert.equal(steps[0], 5);
      assert.deepEqual(await weights(model), await weights(whole.model));
      model.dispose();
    });
    whole.model.dispose();
  });
});

Deno.test("early stop survives an interruption: best epoch, its weights and the patience are in the checkpoint", async () => {
  await withToyBase(async (base) => {
    const config = {
      ...NOISY,
      epochs: 12,
      learningRate: 3e-2,
      selection: "validation_loss",
      patience: 2,
    } as const;
    const whole = await trainToy(base, config);
    await withFolder(async (folder) => {
      const path = `${folder}/injection.safetensors`;
      await interrupted(base, config, path, whole.losses.length - 2);
      const rest = await trainToy(base, config, { checkpoint: { path } });
      assert.deepEqual(rest.losses, whole.losses.slice(-2));
      assert.deepEqual(await weights(rest.model), await weights(whole.model));
      const finished = await trainToy(base, config, { checkpoint: { path } });
      assert.deepEqual(finished.losses, []);
      assert.deepEqual(await weights(finished.model), await weights(whole.model));
      rest.model.dispose();
      finished.model.dispose();
    });
    whole.model.dispose();
  });
});

Deno.test("a checkpoint of another run, and a damaged one, are refused and left as they are", async () => {
  await withToyBase(async (base) => {
    await withFolder(async (folder) => {
      const path = `${folder}/injection.safetensors`;
      await interrupted(base, NOISY, path, 3);
      const bytes = await Deno.readFile(path);
      const again = (config: Partial<InjectionConfig>, more = {}): Promise<unknown> =>
        trainToy(base, { ...NOISY, ...config }, { checkpoint: { path }, ...more });
      await assert.rejects(again({ learningRate: 2e-2 }), refuses("ConfigError"));
      await assert.rejects(again({}, { seed: 4 }), refuses("ConfigError"));
      await assert.rejects(again({}, { samples: toySamples(96, 2) }), refuses("ConfigError"));
      assert.deepEqual(await Deno.readFile(path), bytes);
      await Deno.writeFile(path, bytes.subarray(0, bytes.length - 8));
      await assert.rejects(again({}), refuses("FormatError"));
    });
  });
});

Deno.test("a signal that is set from the start ends the run before its first step", async () => {
  await withToyBase(async (base) => {
    await withFolder(async (folder) => {
      const path = `${folder}/injection.safetensors`;
      const losses: number[] = [];
      const run = trainToy(base, {}, {
        checkpoint: { path },
        signal: AbortSignal.abort(),
        onStep: ({ loss }) => losses.push(loss),
      });
      await assert.rejects(run, refuses("Interrupted"));
      assert.equal(losses.length, 0);
      assert.ok(existsSync(path));
    });
  });
});

Deno.test("the optimizer makes AdamW's updates, by each tensor's own rate, and goes on from its state to the bit", async () => {
  await selectBackend("wasm");
  const shapes = [[3, 4], [5], [2, 2], [7]];
  const fresh = (): tf.Variable[] => shapes.map((shape, index) => tf.variable(seededTensor(shape, index)));
  const gradients = (step: number): tf.Tensor[] =>
    shapes.map((shape, index) => seededTensor(shape, 10 * step + index));
  const named = (variables: tf.Variable[]) =>
    variables.map((variable, index) => ({ name: `v${index}`, variable, rate: index < 2 ? 1 : 0.5 }));
  const byName = (list: tf.Tensor[]) => new Map(list.map((gradient, index) => [`v${index}`, gradient]));
  const [ours, theirs] = [fresh(), fresh()];
  const bucketed = new InjectionOptimizer(named(ours), 0.1);
  const references = [
    new AdamW(theirs.slice(0, 2), { weightDecay: 0.1 }),
    new AdamW(theirs.slice(2), { weightDecay: 0.1 }),
  ];
  for (let step = 1; step <= 5; step++) {
    bucketed.step(byName(gradients(step)), 1e-2, 0.5);
    const factor = clipFactor(gradients(step), 0.5);
    references[0].step(gradients(step).slice(0, 2), 1e-2, factor);
    references[1].step(gradients(step).slice(2), 0.5e-2, factor);
  }
  for (const [index, variable] of ours.entries()) {
    assertClose(await readFloat32(variable), await readFloat32(theirs[index]), 2e-6, `v${index}`);
  }
  const copies = ours.map((variable) => tf.variable(variable.clone()));
  const resumed = new InjectionOptimizer(named(copies), 0.1);
  resumed.restore(await bucketed.state());
  for (const optimizer of [bucketed, resumed]) optimizer.step(byName(gradients(6)), 1e-2, 0.5);
  for (const [index, variable] of ours.entries()) {
    assert.deepEqual(await readFloat32(copies[index]), await readFloat32(variable));
  }
});
