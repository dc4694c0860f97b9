import assert from "node:assert/strict";
import { openSafetensors, readFloats } from "../../src/formats/safetensors.ts";
import {
  expertScale,
  exportPeftAdapter,
  type InjectedModel,
  type InjectionBase,
  type InjectionConfig,
  type InjectionSample,
  loadInjection,
  mergeExperts,
  saveInjection,
  trainInjection,
} from "../../src/m3oe/mod.ts";
import { type DecoderWeights, loadDecoder } from "../../src/foundation/mod.ts";
import { equalLengthBatches } from "../../src/m3oe/batches.ts";
import { denseWeight, readFloat32, readScalar, tf } from "../../src/tensor/mod.ts";
import { writeTinyModel } from "../foundation/_tiny_model.ts";
import { assertClose } from "../tensor/_compare.ts";
import { refuses, TOY_CONFIG, TOY_TASKS, toySamples, trainToy, withToyBase } from "./_toy.ts";

async function train(
  base: InjectionBase,
  config: Partial<InjectionConfig> = {},
  samples: InjectionSample[] = toySamples(96, 1),
): Promise<{ model: InjectedModel; losses: number[] }> {
  return await trainToy(base, config, { samples });
}

Deno.test("an injection learns from its tokens, leaks nothing and is the same to the bit under one seed", async () => {
  await withToyBase(async (base) => {
    const before = tf.memory().numTensors;
    const config = { epochs: 10, learningRate: 2e-3, patience: 10, batchSize: 16 };
    const { model, losses } = await train(base, config, toySamples(640, 1));
    const test = toySamples(64, 9);
    const scores = await model.score(test);
    const right = test.filter(({ label }, i) => (scores[i] > 0) === (label === 1)).length;
    assert.ok(right > 56, `${right} of 64 right`);
    const again = await train(base, config, toySamples(640, 1));
    assert.deepEqual(again.losses, losses);
    assert.deepEqual(await again.model.score(test), scores);
    model.dispose();
    again.model.dispose();
    assert.equal(tf.memory().numTensors, before, "tensors were leaked");
  });
});

Deno.test("scores with merged experts are those of the experts beside the base, in the caller's order", async () => {
  await withToyBase(async (base) => {
    const { model } = await train(base, { learningRate: 1e-2 });
    const samples = toySamples(12, 4);
    const scores = await model.score(samples);
    for (const batch of equalLengthBatches(model.encode(samples), 1)) {
      const loss = tf.tidy(() => model.batchLoss(batch));
      const flipped = batch.map((sample) => ({
        ...sample,
        answer:
          model.encode([{ ...samples[sample.index], label: samples[sample.index].label === 1 ? 0 : 1 }])[0]
            .answer,
      }));
      const other = tf.tidy(() => model.batchLoss(flipped));
      // loss = -log p(answer): the difference of both answers' losses is the score, up to its sign.
      const sign = samples[batch[0].index].label === 1 ? 1 : -1;
      const difference = sign * (await readScalar(other) - await readScalar(loss));
      assert.ok(Math.abs(difference - scores[batch[0].index]) < 1e-4);
      tf.dispose([loss, other]);
    }
    model.dispose();
  });
});

Deno.test("a padded batch has the mean loss of its samples one by one", async () => {
  await withToyBase(async (base) => {
    const { model } = await train(base);
    const open: InjectionSample[] = ["yes", "no pneumonia in the image", "labs"].map((label, i) => ({
      ...toySamples(3, 5)[1],
      task: "describe",
      question: i === 0 ? "vitals" : "is the patient in shock",
      label,
    }));
    const encoded = model.encode(open);
    const together = tf.tidy(() => model.batchLoss(encoded));
    let sum = 0;
    let tokens = 0;
    for (const sample of encoded) {
      const loss = tf.tidy(() => model.batchLoss([sample]));
      sum += await readScalar(loss) * sample.answer.length;
      tokens += sample.answer.length;
      loss.dispose();
    }
    assert.ok(Math.abs(await readScalar(together) - sum / tokens) < 1e-5);
    together.dispose();
    model.dispose();
  });
});

Deno.test("the baselines train the parts they name and nothing else", async () => {
  await withToyBase(async (base) => {
    const parts: Record<string, unknown> = {};
    for (const method of ["fedkim", "fedplug_l", "fedplug"] as const) {
      const { model } = await train(base, { method, epochs: 1 });
      const { projectors, gate, experts } = model.summary.trained;
      parts[method] = { projectors: projectors > 0, gate: gate > 0, experts };
      model.dispose();
    }
    const { experts } = parts.fedkim as { experts: number };
    assert.deepEqual(parts, {
      fedkim: { projectors: true, gate: true, experts },
      fedplug_l: { projectors: true, gate: false, experts },
      fedplug: { projectors: true, gate: false, experts: 0 },
    });
  });
});

Deno.test("a saved injection scores the same after loading, for every method", async () => {
  await withToyBase(async (base) => {
    const folder = await Deno.makeTempDir({ prefix: "fedkim-adapter-" });
    const samples = toySamples(10, 6);
    for (const method of ["fedkim", "fedplug_l", "fedplug"] as const) {
      const { model } = await train(base, { method, epochs: 1 });
      await saveInjection(model, folder);
      const loaded = await loadInjection(folder, base);
      assert.deepEqual(await loaded.score(samples), await model.score(samples));
      assert.deepEqual(loaded.tasks, model.tasks);
      model.dispose();
      loaded.dispose();
    }
    await Deno.remove(folder, { recursive: true });
  });
});

Deno.test("an adapter is refused beside another base, when truncated and when its configuration is damaged", async () => {
  await withToyBase(async (base) => {
    const folder = await Deno.makeTempDir({ prefix: "fedkim-adapter-" });
    const { model } = await train(base, { epochs: 1 });
    await saveInjection(model, folder);
    const otherFolder = await writeTinyModel({}, 77);
    const other = await loadDecoder(otherFolder);
    const before = tf.memory().numTensors;
    await assert.rejects(() => loadInjection(folder, { ...base, decoder: other }), refuses("ModelError"));
    const file = `${folder}/adapter_model.safetensors`;
    const bytes = await Deno.readFile(file);
    await Deno.writeFile(file, bytes.subarray(0, bytes.length - 4));
    await assert.rejects(() => loadInjection(folder, base), refuses("FormatError"));
    await Deno.writeTextFile(`${folder}/adapter_config.json`, '{"format":"other"}');
    await assert.rejects(() => loadInjection(folder, base), refuses("FormatError"));
    await Deno.remove(`${folder}/adapter_config.json`);
    await assert.rejects(() => loadInjection(folder, base), refuses("FormatError"));
    assert.equal(tf.memory().numTensors, before, "tensors were leaked");
    model.dispose();
    other.dispose();
    await Deno.remove(folder, { recursive: true });
    await Deno.remove(otherFolder, { recursive: true });
  });
});

Deno.test("an unseen task is answered by its texts alone, and routed", async () => {
  await withToyBase(async (base) => {
    const { model } = await train(base);
    const unseen = {
      name: "unseen",
      description: "labs of the patient",
      modalityDescription: "labs",
      type: "binary",
    } as const;
    model.addTasks([unseen]);
    const samples = toySamples(4, 8).map((sample) => ({ ...sample, task: "unseen" }));
    assert.ok((await model.score(samples)).every(Number.isFinite));
    const { tasks, expertLoad, maxEntropy } = await model.routing();
    assert.equal(tasks.length, 4);
    for (const { weights, entropy } of tasks) {
      assert.ok(Math.abs(weights.reduce((sum, value) => sum + value, 0) - 1) < 1e-5);
      assert.ok(entropy > 0 && entropy <= maxEntropy + 1e-6);
    }
    assert.ok(Math.abs(expertLoad.reduce((sum, value) => sum + value, 0) - 1) < 1e-5);
    model.dispose();
  });
});

Deno.test("answer() gives one text per sample and stops at the limit", async () => {
  await withToyBase(async (base) => {
    const { model } = await train(base);
    const samples = toySamples(5, 8);
    const answers = await model.answer(samples, 3);
    assert.equal(answers.length, 5);
    assert.ok(answers.every((text) => base.tokenizer.encode(text).length <= 8));
    model.dispose();
  });
});

Deno.test("an exported PEFT adapter is the merged update of its task", async () => {
  await withToyBase(async (base) => {
    const folder = await Deno.makeTempDir({ prefix: "fedkim-peft-" });
    const { model } = await train(base, { learningRate: 1e-2 });
    await exportPeftAdapter(model, "shock", folder);
    const { tensors } = await openSafetensors(`${folder}/adapter_model.safetensors`);
    const read = async (part: string): Promise<tf.Tensor2D> => {
      const stored = tensors.get(`base_model.model.model.layers.1.mlp.down_proj.${part}.weight`)!;
      return tf.tensor2d(await readFloats(stored), stored.shape as [number, number]);
    };
    const [loraA, loraB] = [await read("lora_A"), await read("lora_B")];
    const scale = tf.tidy(() => expertScale(model.gateOf(TOY_TASKS[0]), 2, 2));
    const merged = mergeExperts(base.decoder.weights, model.parameters.lookup, scale);
    const pick = ({ layers }: DecoderWeights): tf.Tensor2D => denseWeight(layers[1].linears.down_proj.weight);
    const update = tf.tidy(() => pick(merged.weights).sub(pick(base.decoder.weights)).transpose());
    const expected = tf.tidy(() => tf.matMul(loraB, loraA));
    assertClose(await readFloat32(update), await readFloat32(expected), 1e-4, "update");
    const config = JSON.parse(await Deno.readTextFile(`${folder}/adapter_config.json`));
    assert.equal(config.r, config.lora_alpha);
    await assert.rejects(() => exportPeftAdapter(model, "nobody", folder), refuses("UnknownTask"));
    tf.dispose([loraA, loraB, scale, update, expected]);
    merged.dispose();
    model.dispose();
    await Deno.remove(folder, { recursive: true });
  });
});

Deno.test("selection by validation loss keeps the best epoch and stops early", async () => {
  await withToyBase(async (base) => {
    const validationLosses: number[] = [];
    const validation = toySamples(32, 2);
    const model = await trainInjection({
      ...base,
      tasks: TOY_TASKS,
      samples: toySamples(48, 1),
      validation,
      config: { ...TOY_CONFIG, epochs: 20, learningRate: 2e-2, selection: "validation_loss", patience: 2 },
      seed: 3,
      onStep: ({ validationLoss }) => validationLoss === undefined || validationLosses.push(validationLoss),
    });
    const best = Math.min(...validationLosses);
    assert.ok(validationLosses.length < 20, "did not stop early");
    assert.equal(validationLosses.indexOf(best), validationLosses.length - 3);
    assert.ok(Math.abs(await model.meanLoss(model.encode(validation)) - best) < 1e-6);
    model.dispose();
  });
});

Deno.test("the paper's loss over the vocabulary exceeds the loss between yes and no alone", async () => {
  await withToyBase(async (base) => {
    const losses: number[] = [];
    for (const answerLoss of ["vocabulary", "answers"] as const) {
      const run = await train(base, { answerLoss, epochs: 1 });
      losses.push(run.losses[0]);
      run.model.dispose();
    }
    assert.ok(losses[0] > losses[1] && losses[1] > 0.3 && losses[1] < 1.2, String(losses));
  });
});

Deno.test("settings and samples that cannot work are refused with a typed error", async () => {
  await withToyBase(async (base) => {
    const before = tf.memory().numTensors;
    const [sample] = toySamples(1, 1);
    const [{ modality }] = sample.modalities;
    const wrongWidth = { modality, count: 2, tokens: new Float32Array(6) };
    const notFinite = { modality, count: 2, tokens: new Float32Array(8).fill(NaN) };
    const bad: [string, Partial<InjectionConfig>, InjectionSample[]][] = [
      ["ConfigError", { experts: 0 }, [sample]],
      ["ConfigError", { r: 9 }, [sample]],
      ["ConfigError", { targetModules: [] }, [sample]],
      ["ConfigError", { learningRate: -1 }, [sample]],
      ["ConfigError", {}, []],
      ["UnknownTask", {}, [{ ...sample, task: "nobody" }]],
      ["ModelError", {}, [sample, { ...sample, modalities: [wrongWidth] }]],
      ["ModelError", {}, [sample, { ...sample, modalities: [notFinite] }]],
      ["ModelError", {}, [{ ...sample, label: "maybe" }]],
    ];
    for (const [code, config, samples] of bad) {
      await assert.rejects(
        () => train(base, config, samples),
        refuses(code),
        `${code} ${JSON.stringify(config)}`,
      );
    }
    const { model } = await train(base, { epochs: 1 });
    const stranger = {
      ...sample,
      modalities: [{ modality: "genome", count: 1, tokens: new Float32Array(4) }],
    };
    await assert.rejects(() => model.score([stranger]), refuses("ModelError"));
    assert.throws(() => model.addTasks([{ ...TOY_TASKS[0], description: " " }]), refuses("UnknownTask"));
    model.dispose();
    assert.equal(tf.memory().numTensors, before, "tensors were leaked");
  });
});

Deno.test("wasm and cpu train to the same loss", async () => {
  await withToyBase(async (base, folder) => {
    const { losses, model } = await train(base, { epochs: 1 });
    model.dispose();
    tf.setBackend("cpu");
    const decoder = await loadDecoder(folder);
    const onCpu = await train({ ...base, decoder }, { epochs: 1 });
    assertClose(onCpu.losses, losses, 1e-4, "losses");
    const values = await readFloat32(onCpu.model.parameters.named[0].variable);
    assert.ok(values.every(Number.isFinite));
    onCpu.model.dispose();
    decoder.dispose();
    await tf.setBackend("wasm");
  });
});
