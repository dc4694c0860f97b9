import { FedKimError } from "../formats/errors.ts";
import { type TensorToWrite, writeSafetensors } from "../formats/safetensors.ts";
import { linearModule } from "../foundation/mod.ts";
import { readFloat32, tf } from "../tensor/mod.ts";
import { expertShape } from "./config.ts";
import { expertScale } from "./experts.ts";
import type { InjectedModel } from "./injected_model.ts";

/**
 * Writes the experts of one task as a plain LoRA in PEFT's layout (`adapter_config.json`,
 * `adapter_model.safetensors`), so that Python's `peft` loads it beside the base. The gate is frozen at the task's
 * weights and folded into lora_B; rank and lora_alpha are both E r, so PEFT's own scaling is 1. Projectors are not
 * part of it.
 *
 * @param model a trained model with experts
 * @param taskName a known task; its texts decide the gate
 * @param folder made if absent
 * @throws FedKimError `UnknownTask` for a task that is not known, `ModelError` where there is nothing to export
 */
export async function exportPeftAdapter(
  model: InjectedModel,
  taskName: string,
  folder: string,
): Promise<void> {
  const task = model.tasks.find(({ name }) => name === taskName);
  if (task === undefined) {
    throw new FedKimError("UnknownTask", `The task ${taskName} is not known to this model.`, {
      needed: model.tasks.map(({ name }) => name).join(", "),
    });
  }
  const { config, parameters, base: { decoder } } = model;
  const { experts, r, scaling } = expertShape(config);
  if (experts === 0 || decoder.config.architecture === "internlm2") {
    throw new FedKimError("ModelError", "This injection cannot be written as a PEFT adapter.", {
      found: experts === 0 ? "an injection without experts" : "a base whose checkpoint fuses q, k and v",
      needed: "experts beside a base with separate linear layers",
    });
  }
  const scale = tf.tidy(() => expertScale(model.gateOf(task), r, scaling));
  const tensors = new Map<string, TensorToWrite>();
  for (let layer = 0; layer < decoder.config.layers; layer++) {
    for (const name of config.targetModules) {
      const pair = parameters.lookup(layer, name);
      if (pair === undefined) continue;
      const module = `base_model.model.${linearModule(decoder.config, layer, name)}`;
      const loraA = tf.tidy(() => pair.down.transpose());
      const loraB = tf.tidy(() => pair.up.transpose().mul(scale));
      tensors.set(`${module}.lora_A.weight`, {
        dtype: "F32",
        shape: loraA.shape,
        values: await readFloat32(loraA),
      });
      tensors.set(`${module}.lora_B.weight`, {
        dtype: "F32",
        shape: loraB.shape,
        values: await readFloat32(loraB),
      });
      tf.dispose([loraA, loraB]);
    }
  }
  scale.dispose();
  await Deno.mkdir(folder, { recursive: true });
  await writeSafetensors(`${folder}/adapter_model.safetensors`, tensors, { format: "pt" });
  const file = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: decoder.folder,
    r: experts * r,
    lora_alpha: experts * r,
    lora_dropout: 0,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    target_modules: config.targetModules,
  };
  await Deno.writeTextFile(`${folder}/adapter_config.json`, JSON.stringify(file, null, 2) + "\n");
}
