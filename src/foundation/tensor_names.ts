import type { DecoderConfig } from "./config.ts";

/** The seven linear layers of a decoder layer, named as in Llama checkpoints and PEFT's `target_modules`. */
export type LinearName = "q_proj" | "k_proj" | "v_proj" | "o_proj" | "gate_proj" | "up_proj" | "down_proj";

/** All of {@link LinearName}, in the order of computation. */
export const LINEAR_NAMES: readonly LinearName[] = [
  "q_proj",
  "k_proj",
  "v_proj",
  "o_proj",
  "gate_proj",
  "up_proj",
  "down_proj",
];

/** `[in, out]` of each linear layer. */
export function linearShapes(config: DecoderConfig): Record<LinearName, [number, number]> {
  const { hiddenSize, intermediateSize, headDim } = config;
  const query = config.heads * headDim;
  const keyValue = config.kvHeads * headDim;
  return {
    q_proj: [hiddenSize, query],
    k_proj: [hiddenSize, keyValue],
    v_proj: [hiddenSize, keyValue],
    o_proj: [query, hiddenSize],
    gate_proj: [hiddenSize, intermediateSize],
    up_proj: [hiddenSize, intermediateSize],
    down_proj: [intermediateSize, hiddenSize],
  };
}

/** Names of the tensors that are not linear layers. */
export interface StoredNames {
  readonly embedding: string;
  readonly head: string;
  readonly finalNorm: string;
  readonly attentionNorm: (layer: number) => string;
  readonly feedForwardNorm: (layer: number) => string;
}

/** Tensor names of the checkpoint's family. */
export function storedNames(config: DecoderConfig): StoredNames {
  const internlm = config.architecture === "internlm2";
  const inLayer = (name: string) => (layer: number): string => `model.layers.${layer}.${name}.weight`;
  return {
    embedding: internlm ? "model.tok_embeddings.weight" : "model.embed_tokens.weight",
    head: internlm ? "output.weight" : "lm_head.weight",
    finalNorm: "model.norm.weight",
    attentionNorm: inLayer(internlm ? "attention_norm" : "input_layernorm"),
    feedForwardNorm: inLayer(internlm ? "ffn_norm" : "post_attention_layernorm"),
  };
}

/** Reads one named tensor of a given shape. */
export type ReadTensor = (name: string, shape: readonly number[]) => Promise<Float32Array>;

/** A linear layer in the checkpoint's layout: weight `[out, in]`. */
export interface StoredLinear {
  readonly weight: Float32Array;
  readonly bias: Float32Array | undefined;
}

const LLAMA_MODULE: Record<LinearName, string> = {
  q_proj: "self_attn.q_proj",
  k_proj: "self_attn.k_proj",
  v_proj: "self_attn.v_proj",
  o_proj: "self_attn.o_proj",
  gate_proj: "mlp.gate_proj",
  up_proj: "mlp.up_proj",
  down_proj: "mlp.down_proj",
};

const INTERNLM2_MODULE: Record<LinearName, string> = {
  q_proj: "attention.wqkv",
  k_proj: "attention.wqkv",
  v_proj: "attention.wqkv",
  o_proj: "attention.wo",
  gate_proj: "feed_forward.w1",
  up_proj: "feed_forward.w3",
  down_proj: "feed_forward.w2",
};

/** The checkpoint's name of a linear layer's weight, without the trailing `.weight`. */
export function linearModule(config: DecoderConfig, layer: number, name: LinearName): string {
  const modules = config.architecture === "internlm2" ? INTERNLM2_MODULE : LLAMA_MODULE;
  return `model.layers.${layer}.${modules[name]}`;
}

/** Reads one linear layer, splitting InternLM2's fused wqkv. */
export async function storedLinear(
  config: DecoderConfig,
  layer: number,
  name: LinearName,
  read: ReadTensor,
): Promise<StoredLinear> {
  const module = linearModule(config, layer, name);
  const [input, output] = linearShapes(config)[name];
  const inQkv = name === "q_proj" || name === "k_proj" || name === "v_proj";
  const inAttention = inQkv || name === "o_proj";
  const biased = (config.attentionBias === "qkv" && inQkv) || (config.attentionBias === "all" && inAttention);
  if (config.architecture === "internlm2" && inQkv) {
    const rows = (config.heads + 2 * config.kvHeads) * config.headDim;
    return {
      weight: fusedRows(config, name, await read(`${module}.weight`, [rows, input]), input),
      bias: biased ? fusedRows(config, name, await read(`${module}.bias`, [rows]), 1) : undefined,
    };
  }
  return {
    weight: await read(`${module}.weight`, [output, input]),
    bias: biased ? await read(`${module}.bias`, [output]) : undefined,
  };
}

/**
 * The rows of q, k or v in a fused wqkv: for every key/value head first its group of query heads, then the key
 * head, then the value head.
 */
function fusedRows(
  config: DecoderConfig,
  name: LinearName,
  fused: Float32Array,
  width: number,
): Float32Array {
  const { heads, kvHeads, headDim } = config;
  const group = heads / kvHeads;
  const from = name === "q_proj" ? 0 : name === "k_proj" ? group : group + 1;
  const count = name === "q_proj" ? group : 1;
  const block = headDim * width;
  const parts = Array.from({ length: kvHeads }, (_, head) => {
    const start = (head * (group + 2) + from) * block;
    return fused.subarray(start, start + count * block);
  });
  const rows = new Float32Array(kvHeads * count * block);
  parts.forEach((part, head) => rows.set(part, head * count * block));
  return rows;
}
