import { writeDurable } from "../formats/durable_file.ts";
import { FedKimError } from "../formats/errors.ts";
import { encodeSafetensors, type TensorToWrite } from "../formats/safetensors.ts";
import { type DecoderConfig, linearModule } from "../foundation/mod.ts";
import { readFloat32, tf } from "../tensor/mod.ts";
import { expertShape } from "./config.ts";
import { type ExpertPair, expertScale } from "./experts.ts";
import type { InjectedModel } from "./injected_model.ts";

/**
 * Writes the experts of one task as a plain LoRA in PEFT's layout (`adapter_config.json`,
 * `adapter_model.safetensors`), so that Python's `peft` loads it beside the base. The gate is frozen at the task's
 * weights and folded into lora_B; rank and lora_alpha are both E r, so PEFT's own scaling is 1. A model trained as
 * `fedplug_l` is written as the one LoRA it is. Projectors are not part of it.
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
  const { config, base: { decoder } } = model;
  const { experts, r, scaling } = expertShape(config);
  if (experts === 0 || decoder.config.architecture === "internlm2") {
    throw new FedKimError("ModelError", "This injection cannot be written as a PEFT adapter.", {
      found: experts === 0 ? "an injection without experts" : "a base whose checkpoint fuses q, k and v",
      needed: "experts beside a base with separate linear layers",
    });
  }
  const alpha = await model.expertWeights(task);
  const scale = tf.tidy(() => expertScale(tf.tensor2d([[...alpha]]), r, scaling));
  const tensors = new Map<string, TensorToWrite>();
  try {
    for (const { module, pair } of adaptedModules(model, decoder.config)) {
      const loraA = tf.tidy(() => pair.down.transpose());
      const loraB = tf.tidy(() => pair.up.transpose().mul(scale));
      tensors.set(`base_model.model.${module}.lora_A.weight`, await toWrite(loraA));
      tensors.set(`base_model.model.${module}.lora_B.weight`, await toWrite(loraB));
    }
  } finally {
    scale.dispose();
  }
  const file = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: decoder.folder,
    r: experts * r,
    lora_alpha: experts * r,
    lora_dropout: config.loraDropout,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    target_modules: config.targetModules,
  };
  await writeDurable(
    `${folder}/adapter_model.safetensors`,
    encodeSafetensors(tensors, { format: "pt" }),
    0o644,
  );
  await writeDurable(`${folder}/adapter_config.json`, JSON.stringify(file, null, 2) + "\n", 0o644);
}

/** The adapted layers with their names in the checkpoint. */
function adaptedModules(
  { config, parameters: { lookup, head } }: InjectedModel,
  decoder: DecoderConfig,
): { module: string; pair: ExpertPair }[] {
  const modules: { module: string; pair: ExpertPair }[] = [];
  for (let layer = 0; layer < decoder.layers; layer++) {
    for (const name of config.targetModules) {
      const pair = name === "lm_head" ? undefined : lookup(layer, name);
      if (pair !== undefined && name !== "lm_head") {
        modules.push({ module: linearModule(decoder, layer, name), pair });
      }
    }
  }
  return head === undefined ? modules : [...modules, { module: "lm_head", pair: head }];
}

/** Copies a tensor to the host and frees it. */
async function toWrite(tensor: tf.Tensor): Promise<TensorToWrite> {
  const values = (await readFloat32(tensor)).slice();
  tensor.dispose();
  if (values.every(Number.isFinite)) return { dtype: "F32", shape: tensor.shape, values };
  throw new FedKimError("ModelError", "The experts of this injection are not finite.", {
    remedy: "train the injection again with a lower learningRate",
  });
}
