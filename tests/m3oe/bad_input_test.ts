import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import {
  exportPeftAdapter,
  type InjectionConfig,
  type InjectionSample,
  loadInjection,
  saveInjection,
  TARGET_MODULES,
  type TrainInjectionOptions,
} from "../../src/m3oe/mod.ts";
import { DEFAULT_INJECTION } from "../../src/m3oe/config.ts";
import { resolveInjectionConfig } from "../../src/m3oe/config_check.ts";
import { loadDecoder } from "../../src/foundation/mod.ts";
import { tf } from "../../src/tensor/mod.ts";
import { writeTinyModel } from "../foundation/_tiny_model.ts";
import { refuses, TOY_TASKS, toySamples, trainToy, withFolder, withToyBase } from "./_toy.ts";

/** Asserts that a run is refused, frees everything and leaves no checkpoint behind. */
async function assertRefused(
  code: string,
  config: Partial<InjectionConfig>,
  options: Partial<TrainInjectionOptions> = {},
): Promise<void> {
  await withToyBase(async (base) => {
    await withFolder(async (folder) => {
      const path = `${folder}/state/injection.safetensors`;
      const tensors = tf.memory().numTensors;
      await assert.rejects(trainToy(base, config, { ...options, checkpoint: { path } }), refuses(code));
      assert.equal(tf.memory().numTensors, tensors, "tensors were leaked");
      assert.ok(!existsSync(`${folder}/state`), "something was written");
    });
  });
}

const [sample] = toySamples(1, 1);

Deno.test("a task without a text, or with an empty description, is refused before anything is written", async () => {
  await assertRefused("UnknownTask", {}, { tasks: TOY_TASKS.slice(1) });
  await assertRefused("UnknownTask", {}, { tasks: [] });
  for (const field of ["description", "modalityDescription"] as const) {
    await assertRefused("UnknownTask", {}, { tasks: TOY_TASKS.map((task) => ({ ...task, [field]: " \n" })) });
  }
});

Deno.test("a modality that was never trained is refused in validation, scoring and answering", async () => {
  const stranger: InjectionSample = {
    ...sample,
    modalities: [{ modality: "genome", count: 1, tokens: new Float32Array(4) }],
  };
  await assertRefused("ModelError", {}, { validation: [stranger] });
  await withToyBase(async (base) => {
    const { model } = await trainToy(base, { epochs: 1 });
    const tensors = tf.memory().numTensors;
    await assert.rejects(model.score([stranger]), refuses("ModelError"));
    await assert.rejects(model.answer([stranger]), refuses("ModelError"));
    assert.equal(tf.memory().numTensors, tensors, "tensors were leaked");
    model.dispose();
  });
});

Deno.test("an adapter of another base is refused, also on a merged decoder of its own base", async () => {
  await withToyBase(async (base) => {
    await withFolder(async (folder) => {
      const { model } = await trainToy(base, { epochs: 1 });
      await saveInjection(model, folder);
      const otherFolder = await writeTinyModel({}, 77);
      const other = await loadDecoder(otherFolder);
      const merged = await model.merge("shock");
      const tensors = tf.memory().numTensors;
      for (const decoder of [other, merged.decoder]) {
        await assert.rejects(loadInjection(folder, { ...base, decoder }), refuses("ModelError"));
      }
      assert.equal(tf.memory().numTensors, tensors, "tensors were leaked");
      merged.unmerge();
      other.dispose();
      model.dispose();
      await Deno.remove(otherFolder, { recursive: true });
    });
  });
});

Deno.test("zero, negative, fractional and endless numbers of experts are refused", async () => {
  for (const experts of [0, -1, 1.5, Infinity, NaN]) await assertRefused("ConfigError", { experts });
});

Deno.test("a rank above the width of any target is refused, a rank of the width is not", async () => {
  // The toy's narrowest layer is k_proj with 8 outputs; the other layers are 16 wide.
  await assertRefused("ConfigError", { r: 9 });
  await assertRefused("ConfigError", { r: 17, targetModules: ["lm_head"] });
  await withToyBase(async (base) => {
    for (
      const config of [{ r: 8 }, { r: 16, targetModules: ["q_proj"] }, { r: 17, method: "fedplug" }] as const
    ) {
      (await trainToy(base, { ...config, epochs: 1 })).model.dispose();
    }
  });
});

Deno.test("public data without a task are refused: no samples, or samples of no known task", async () => {
  await assertRefused("ConfigError", {}, { samples: [] });
  await assertRefused("UnknownTask", {}, { samples: [{ ...sample, task: "" }] });
  await assertRefused("UnknownTask", {}, { samples: [sample, { ...sample, task: "nobody" }] });
});

Deno.test("labels, teachers and tokens that do not fit are refused", async () => {
  const [{ modality }] = sample.modalities;
  const bad: InjectionSample[] = [
    { ...sample, label: "maybe" },
    { ...sample, task: "describe" },
    { ...sample, teacher: 1.5 },
    { ...sample, teacher: NaN },
    { ...sample, task: "describe", label: "text", teacher: 0.5 },
    { ...sample, modalities: [{ modality, count: 2, tokens: new Float32Array(6) }] },
    { ...sample, modalities: [{ modality, count: 2, tokens: new Float32Array(8).fill(Infinity) }] },
  ];
  for (const wrong of bad) await assertRefused("ModelError", {}, { samples: [sample, wrong] });
});

Deno.test("every number of the configuration that cannot work is refused by name", async () => {
  await withToyBase(({ decoder }) => {
    const numbers = Object.entries(DEFAULT_INJECTION).filter(([, value]) => typeof value === "number");
    assert.equal(numbers.length, 21);
    for (const [name] of numbers) {
      for (const value of [NaN, Infinity, ...(name === "gateEntropy" ? [] : [-1])]) {
        assert.throws(
          () => resolveInjectionConfig({ [name]: value }, decoder.config),
          (error) => refuses("ConfigError")(error) && String(error).includes(name),
          `${name} = ${value}`,
        );
      }
    }
    const choices = {
      method: "x",
      answerLoss: "x",
      decay: "x",
      selection: "x",
      gateTexts: "x",
      mixing: { kind: "x" },
    };
    for (const [name, value] of Object.entries(choices)) {
      const config = { [name]: value } as unknown as Partial<InjectionConfig>;
      assert.throws(() => resolveInjectionConfig(config, decoder.config), refuses("ConfigError"), name);
    }
    const cold = { mixing: { kind: "temperature", temperature: 0 } } as const;
    assert.throws(() => resolveInjectionConfig(cold, decoder.config), refuses("ConfigError"));
    for (const targetModules of [[], ["q_proj", "q_proj"], ["wqkv"]]) {
      const config = { targetModules } as unknown as Partial<InjectionConfig>;
      assert.throws(() => resolveInjectionConfig(config, decoder.config), refuses("ConfigError"));
    }
    assert.equal(
      resolveInjectionConfig({ targetModules: TARGET_MODULES }, decoder.config).targetModules.length,
      8,
    );
    return Promise.resolve();
  });
});

Deno.test("an export of an unknown task, or of an injection without experts, writes nothing", async () => {
  await withToyBase(async (base) => {
    await withFolder(async (folder) => {
      const { model } = await trainToy(base, { epochs: 1 });
      const { model: plain } = await trainToy(base, { epochs: 1, method: "fedplug" });
      await assert.rejects(exportPeftAdapter(model, "nobody", `${folder}/out`), refuses("UnknownTask"));
      await assert.rejects(exportPeftAdapter(plain, "shock", `${folder}/out`), refuses("ModelError"));
      assert.ok(!existsSync(`${folder}/out`));
      model.dispose();
      plain.dispose();
    });
  });
});
