import { type TensorToWrite, writeSafetensors } from "../formats/safetensors.ts";
import { readFloat32, readLinearWeight, readTable, type tf, type TokenTable } from "../tensor/mod.ts";
import { linearModule, type LinearName, linearShapes, storedNames } from "./tensor_names.ts";
import type { DecoderConfig } from "./config.ts";
import type { DecoderWeights } from "./weights.ts";

/**
 * Writes a Llama-type decoder as a Hugging Face folder: `config.json` and `model.safetensors`.
 *
 * @param folder an existing folder
 * @param config its architecture; must be `llama` without biases
 * @param weights its tensors
 * @param dtype element type on disk
 */
export async function writeCheckpoint(
  folder: string,
  config: DecoderConfig,
  weights: DecoderWeights,
  dtype: "F32" | "F16" | "BF16",
): Promise<void> {
  const names = storedNames(config);
  const tensors = new Map<string, TensorToWrite>();
  const put = async (name: string, tensor: tf.Tensor): Promise<void> => {
    tensors.set(name, { dtype, shape: tensor.shape, values: await readFloat32(tensor) });
  };
  const putTable = async (name: string, table: TokenTable): Promise<void> => {
    tensors.set(name, { dtype, shape: table.shape, values: await readTable(table) });
  };
  await putTable(names.embedding, weights.embedding);
  for (const [index, layer] of weights.layers.entries()) {
    await put(names.attentionNorm(index), layer.attentionNorm);
    await put(names.feedForwardNorm(index), layer.feedForwardNorm);
    for (
      const [name, [input, output]] of Object.entries(linearShapes(config)) as [
        LinearName,
        [number, number],
      ][]
    ) {
      const values = await readLinearWeight(layer.linears[name].weight);
      tensors.set(`${linearModule(config, index, name)}.weight`, { dtype, shape: [output, input], values });
    }
  }
  await put(names.finalNorm, weights.finalNorm);
  if (!config.tiedHead) await putTable(names.head, weights.head);
  await writeSafetensors(`${folder}/model.safetensors`, tensors, { format: "pt" });
  await Deno.writeTextFile(
    `${folder}/config.json`,
    JSON.stringify(configJson(config, dtype), null, 2) + "\n",
  );
}

function configJson(config: DecoderConfig, dtype: "F32" | "F16" | "BF16"): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    hidden_act: "silu",
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    rope_scaling: null,
    tie_word_embeddings: config.tiedHead,
    attention_bias: false,
    mlp_bias: false,
    max_position_embeddings: config.maxPositions,
    bos_token_id: config.bosTokenId ?? null,
    eos_token_id: config.eosTokenIds[0] ?? null,
    torch_dtype: { F32: "float32", F16: "float16", BF16: "bfloat16" }[dtype],
  };
}
