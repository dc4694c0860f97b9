import assert from "node:assert/strict";
import { decoderForward, embedTokens, logitsOf } from "../../src/foundation/mod.ts";
import { exportPeftAdapter, type InjectedModel, type InjectionConfig } from "../../src/m3oe/mod.ts";
import { readFloat32, tf, uniformValues } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { assertClose } from "../tensor/_compare.ts";
import { TOY_TASKS, trainToy, withFolder, withToyBase } from "./_toy.ts";
// Logits of the first tokens at the last position that Python's peft 0.21.2 gave for the adapters below; the
// Python test compares them anew.
import golden from "./peft_golden.json" with { type: "json" };

/** Path of a Python that has torch, transformers and peft. */
const python = Deno.env.get("FEDKIM_PYTHON");
const IDS = [1, 7, 30, 12, 9, 25];

const CASES: Readonly<Record<keyof typeof golden, Partial<InjectionConfig>>> = {
  "merged experts": {},
  "plain LoRA": { method: "fedplug_l" },
  "experts on the output head": { targetModules: ["q_proj", "lm_head"] },
};

/** An injection whose experts have known values, so that the reference logits hold whatever training does. */
async function knownModel(base: Parameters<typeof trainToy>[0], config: Partial<InjectionConfig>) {
  const { model } = await trainToy(base, { ...config, epochs: 1, learningRate: 1e-30, weightDecay: 0 });
  for (const [seed, { part, variable }] of model.parameters.named.entries()) {
    if (part !== "experts" && part !== "gate") continue;
    const values = uniformValues(variable.size, 0.3, new SeededRandom(seed));
    tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
  }
  return model;
}

async function ourLogits(model: InjectedModel): Promise<Float32Array> {
  const { decoder, unmerge } = await model.merge("shock");
  const logits = tf.tidy(() => {
    const prompt = embedTokens(decoder, IDS, [1, IDS.length]);
    return logitsOf(decoder.weights, decoderForward(decoder.weights, decoder.config, prompt).hidden);
  });
  const values = (await readFloat32(logits)).slice();
  logits.dispose();
  unmerge();
  return values;
}

/** The part of the logits that is stored. */
function head(logits: ArrayLike<number>, name: keyof typeof golden): number[] {
  const first = logits.length - logits.length / IDS.length;
  return Array.from(logits).slice(first, first + golden[name].length);
}

const SCRIPT = `
import json, sys, torch
from transformers import AutoModelForCausalLM
from peft import PeftModel
base = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
model = PeftModel.from_pretrained(base, sys.argv[2]).eval()
with torch.no_grad():
    logits = model(input_ids=torch.tensor([json.loads(sys.argv[3])])).logits[0]
print(json.dumps([round(v, 6) for v in logits.flatten().tolist()]))
`;

async function peftLogits(baseFolder: string, adapter: string): Promise<number[]> {
  const { success, stdout, stderr } = await new Deno.Command(python as string, {
    args: ["-c", SCRIPT, baseFolder, adapter, JSON.stringify(IDS)],
    env: { HF_HUB_OFFLINE: "1" },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr).slice(-2000));
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1) as string);
}

for (const name of Object.keys(CASES) as (keyof typeof golden)[]) {
  Deno.test(`a merged decoder gives the logits that peft gave for its exported adapter: ${name}`, async () => {
    await withToyBase(async (base) => {
      const model = await knownModel(base, CASES[name]);
      assertClose(head(await ourLogits(model), name), golden[name], 1e-4, "logits");
      model.dispose();
    });
  });

  Deno.test({
    name: `Python's peft loads an exported adapter and gives our logits: ${name}` +
      (python === undefined ? " [skipped: FEDKIM_PYTHON names no interpreter]" : ""),
    ignore: python === undefined,
    fn: async () => {
      await withToyBase(async (base, baseFolder) => {
        await withFolder(async (folder) => {
          const model = await knownModel(base, CASES[name]);
          await exportPeftAdapter(model, TOY_TASKS[0].name, folder);
          const logits = await peftLogits(baseFolder, folder);
          assertClose(await ourLogits(model), logits, 1e-4, "ours and peft's");
          assertClose(golden[name], head(logits, name), 1e-4, "the stored reference and peft's");
          model.dispose();
        });
      });
    },
  });
}
