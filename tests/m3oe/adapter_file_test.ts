import assert from "node:assert/strict";
import { loadInjection, saveInjection, trainableRows, trainableTable } from "../../src/m3oe/mod.ts";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import { tf } from "../../src/tensor/mod.ts";
import { refuses, toySamples, trainToy, withFolder, withToyBase } from "./_toy.ts";

const NEW_SETTINGS = [
  "loraDropout",
  "gateTemperature",
  "gateTexts",
  "loadBalance",
  "gateEntropy",
  "expertDropout",
  "distillation",
  "teacherSpread",
  "teacherMixing",
  "teacherMixingUnit",
  "mixing",
  "accumulation",
  "encoderRate",
  "decay",
];

Deno.test("a file written before the later settings existed loads with the paper's form and scores the same", async () => {
  await withToyBase(async (base) => {
    await withFolder(async (folder) => {
      const { model } = await trainToy(base, { epochs: 1 });
      await saveInjection(model, folder);
      const path = `${folder}/adapter_config.json`;
      const file = JSON.parse(await Deno.readTextFile(path));
      delete file.tensorsSha256;
      for (const name of NEW_SETTINGS) {
        assert.ok(name in file.config, name);
        delete file.config[name];
      }
      await Deno.writeTextFile(path, JSON.stringify(file));
      const loaded = await loadInjection(folder, base);
      const samples = toySamples(8, 4);
      assert.deepEqual(await loaded.score(samples), await model.score(samples));
      assert.deepEqual(loaded.config, model.config);
      loaded.dispose();
      model.dispose();
    });
  });
});

Deno.test("tensors of another save are refused beside a configuration", async () => {
  await withToyBase(async (base) => {
    await withFolder(async (folder) => {
      const [first, second] = [await trainToy(base, { epochs: 1 }), await trainToy(base, { epochs: 2 })];
      await saveInjection(first.model, folder);
      const config = await Deno.readTextFile(`${folder}/adapter_config.json`);
      await saveInjection(second.model, folder);
      await Deno.writeTextFile(`${folder}/adapter_config.json`, config);
      await assert.rejects(loadInjection(folder, base), refuses("FormatError"));
      first.model.dispose();
      second.model.dispose();
    });
  });
});

Deno.test("a model that is not finite is not saved, and the adapter that was there stays whole", async () => {
  await withToyBase(async (base) => {
    await withFolder(async (folder) => {
      const { model } = await trainToy(base, { epochs: 1 });
      await saveInjection(model, folder);
      const read = async (): Promise<string[]> => {
        const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
        return await Promise.all(
          names.map(async (name) => name + [...await Deno.readFile(`${folder}/${name}`)].join()),
        );
      };
      const before = await read();
      const { variable } = model.parameters.named[0];
      tf.tidy(() => variable.assign(tf.fill(variable.shape, NaN)));
      await assert.rejects(saveInjection(model, folder), refuses("ModelError"));
      assert.deepEqual(await read(), before);
      await assert.rejects(saveInjection(model, `${folder}/new`), refuses("ModelError"));
      assert.deepEqual(await read(), before);
      model.dispose();
    });
  });
});

Deno.test("experts are stored as lora_A [E, r, in] and lora_B [E, out, r], the gate in PyTorch's layout", async () => {
  await withToyBase(async (base) => {
    await withFolder(async (folder) => {
      const { model } = await trainToy(base, { epochs: 1, targetModules: ["q_proj", "down_proj"] });
      await saveInjection(model, folder);
      const { tensors, metadata } = await openSafetensors(`${folder}/adapter_model.safetensors`);
      const shapes = Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape.join("x")]));
      assert.equal(metadata.format, "fedkim-m3oe/1");
      assert.equal(shapes["layers.1.down_proj.lora_A"], "3x2x24");
      assert.equal(shapes["layers.1.down_proj.lora_B"], "3x16x2");
      assert.equal(shapes["gate.q_proj.weight"], "16x16");
      assert.equal(shapes["gate.out.weight"], "3x16");
      assert.equal(shapes["projector.vitals.weight"], "4x16");
      assert.equal(shapes["projector.vitals.mean"], "4");
      model.dispose();
    });
  });
});

Deno.test("trained and frozen parts are listed and counted, and the trainable share is printed", async () => {
  await withToyBase(async (base) => {
    const { model } = await trainToy(base, { epochs: 1, targetModules: ["q_proj", "lm_head"] });
    const rows = trainableRows(model);
    assert.deepEqual(rows[0], {
      part: "foundation model",
      weights: base.decoder.parameterCount,
      trained: false,
    });
    assert.deepEqual(rows.slice(1).map(({ part }) => part), [
      "projector vitals",
      "projector labs",
      "projector image",
      "gate",
      "experts q_proj (2 layers)",
      "experts lm_head",
    ]);
    const trained = rows.slice(1).reduce((sum, { weights }) => sum + weights, 0);
    const { summary } = model;
    assert.equal(trained, Object.values(summary.trained).reduce((sum, weights) => sum + weights, 0));
    assert.equal(summary.share, trained / (trained + base.decoder.parameterCount));
    const percent = `(${(100 * summary.share).toFixed(2)} %)`;
    assert.ok(trainableTable(model).endsWith(`weights are trained ${percent}`), trainableTable(model));
    model.dispose();
  });
});
