import { FedKimError } from "../formats/errors.ts";
import { type GgufFile, type GgufTensor, openGguf, readGgufTensor } from "../formats/gguf.ts";
import type { Checkpoint, CheckpointTensor } from "./checkpoint.ts";
import type { Architecture, DecoderConfig, RopeScaling } from "./config.ts";
import { GgufMetadata } from "./_gguf_metadata.ts";
import { LINEAR_NAMES, linearModule, type LinearName, storedNames } from "./tensor_names.ts";

/** Families read from GGUF. Mistral files call themselves llama. */
const FAMILIES: readonly Architecture[] = ["llama", "qwen2"];

const LINEAR: Record<LinearName, string> = {
  q_proj: "attn_q",
  k_proj: "attn_k",
  v_proj: "attn_v",
  o_proj: "attn_output",
  gate_proj: "ffn_gate",
  up_proj: "ffn_up",
  down_proj: "ffn_down",
};

/**
 * Opens a GGUF file as a checkpoint: configuration from its metadata, tensors under their Hugging Face names. Rows of
 * q and k, which Llama files store with rotary pairs side by side, come back in Hugging Face's order of halves.
 *
 * @param path the file
 * @returns configuration and tensor descriptions
 * @throws FedKimError `FormatError` for a malformed file, `ModelError` for a family that is not read from GGUF
 */
export async function openGgufCheckpoint(path: string): Promise<Checkpoint> {
  const file = await openGguf(path);
  const config = await readConfig(file);
  const heads = pairedHeads(config);
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, ggufName] of nameMap(config)) {
    const stored = file.tensors.get(ggufName);
    if (stored !== undefined) tensors.set(name, checkpointTensor(name, stored, heads(ggufName)));
  }
  return { config, archive: { path, tensors } };
}

async function readConfig(file: GgufFile): Promise<DecoderConfig> {
  const metadata = new GgufMetadata(file);
  const family = metadata.text("general.architecture");
  const architecture = FAMILIES.find((name) => name === family);
  if (architecture === undefined) throw unsupported(file.path, `architecture ${family}`, FAMILIES.join(", "));
  const count = (name: string): number => metadata.count(`${family}.${name}`);
  const optional = (name: string): number | undefined => metadata.optionalNumber(`${family}.${name}`);
  const hiddenSize = count("embedding_length");
  const heads = count("attention.head_count");
  const kvHeads = optional("attention.head_count_kv") ?? heads;
  const headDim = optional("attention.key_length") ?? hiddenSize / heads;
  const maxPositions = count("context_length");
  if ((optional("expert_count") ?? 0) > 0) {
    throw unsupported(file.path, "a mixture of experts", "a dense model");
  }
  if ((optional("attention.sliding_window") ?? maxPositions) < maxPositions) {
    throw unsupported(file.path, "a sliding window", "full attention");
  }
  const rotary = optional("rope.dimension_count") ?? headDim;
  if (rotary !== headDim || headDim % 2 !== 0 || heads % kvHeads !== 0) {
    const found =
      `${heads} heads of width ${headDim}, ${kvHeads} key/value heads, ${rotary} rotary dimensions`;
    throw unsupported(file.path, found, "an even width rotated as a whole, and a divisor of the heads");
  }
  // A layer has several tensors: without this a few bytes could ask for names of thousands of millions of layers.
  const layers = count("block_count");
  if (layers > file.tensors.size) {
    throw unsupported(
      file.path,
      `${layers} layers and ${file.tensors.size} tensors`,
      "the tensors of every layer",
    );
  }
  const bias = (name: LinearName): boolean => file.tensors.has(`blk.0.${LINEAR[name]}.bias`);
  const start = metadata.startsWithBos() ? metadata.optionalNumber("tokenizer.ggml.bos_token_id") : undefined;
  const end = metadata.optionalNumber("tokenizer.ggml.eos_token_id");
  return {
    architecture,
    vocabSize: tensor(file, "token_embd.weight").shape[0],
    hiddenSize,
    intermediateSize: count("feed_forward_length"),
    layers,
    heads,
    kvHeads,
    headDim,
    rmsNormEps: metadata.positive(`${family}.attention.layer_norm_rms_epsilon`),
    ropeTheta: optional("rope.freq_base") ?? 10000,
    ropeScaling: await readScaling(file, metadata, family, headDim),
    tiedHead: !file.tensors.has("output.weight"),
    attentionBias: bias("o_proj") ? "all" : bias("q_proj") ? "qkv" : "none",
    maxPositions,
    ...(start === undefined ? {} : { bosTokenId: start }),
    eosTokenIds: end === undefined ? [] : [end],
  };
}

async function readScaling(
  file: GgufFile,
  metadata: GgufMetadata,
  family: string,
  headDim: number,
): Promise<RopeScaling> {
  const factors = file.tensors.get("rope_freqs.weight");
  if (factors !== undefined) {
    const values = await readGgufTensor(factors);
    if (values.length !== headDim / 2 || !values.every((value) => value > 0 && Number.isFinite(value))) {
      throw unsupported(
        file.path,
        `rope_freqs.weight of ${values.length} values`,
        `${headDim / 2} positive ones`,
      );
    }
    return { type: "factors", factors: [...values] };
  }
  const type = metadata.optionalText(`${family}.rope.scaling.type`) ?? "none";
  if (type === "none") return { type: "default" };
  if (type === "linear") {
    return { type: "linear", factor: metadata.positive(`${family}.rope.scaling.factor`) };
  }
  throw unsupported(file.path, `rope scaling ${type}`, "none, linear or frequency factors");
}

function tensor(file: GgufFile, name: string): GgufTensor {
  const found = file.tensors.get(name);
  if (found !== undefined) return found;
  throw new FedKimError("ModelError", `The GGUF file ${file.path} is incomplete.`, {
    found: `no tensor ${name}`,
    needed: "every tensor of the architecture",
    remedy: "copy or download the file again",
  });
}

/** Hugging Face name and GGUF name of every tensor that a decoder of this configuration may have. */
function* nameMap(config: DecoderConfig): Generator<readonly [string, string]> {
  const names = storedNames(config);
  yield [names.embedding, "token_embd.weight"];
  yield [names.finalNorm, "output_norm.weight"];
  yield [names.head, "output.weight"];
  for (let layer = 0; layer < config.layers; layer++) {
    yield [names.attentionNorm(layer), `blk.${layer}.attn_norm.weight`];
    yield [names.feedForwardNorm(layer), `blk.${layer}.ffn_norm.weight`];
    for (const name of LINEAR_NAMES) {
      for (const part of ["weight", "bias"]) {
        yield [`${linearModule(config, layer, name)}.${part}`, `blk.${layer}.${LINEAR[name]}.${part}`];
      }
    }
  }
}

/** Number of heads of a tensor whose rows are stored as rotary pairs: q and k of Llama files. */
function pairedHeads(config: DecoderConfig): (ggufName: string) => number | undefined {
  if (config.architecture !== "llama") return () => undefined;
  return (name) =>
    /\.attn_q\./.test(name) ? config.heads : /\.attn_k\./.test(name) ? config.kvHeads : undefined;
}

function checkpointTensor(name: string, stored: GgufTensor, heads: number | undefined): CheckpointTensor {
  const read = (): Promise<Float32Array> => readGgufTensor(stored);
  const { file, dtype, shape, byteLength } = stored;
  return {
    name,
    file,
    dtype,
    shape,
    byteLength,
    read: heads === undefined ? read : async () => halvesFromPairs(await read(), heads, shape),
  };
}

/** Row 2i + s of a head becomes row s * headDim / 2 + i: undoes llama.cpp's `permute`. */
function halvesFromPairs(values: Float32Array, heads: number, shape: readonly number[]): Float32Array {
  const width = values.length / shape[0];
  const half = shape[0] / heads / 2;
  const result = new Float32Array(values.length);
  for (let row = 0; row < shape[0]; row++) {
    const head = Math.floor(row / (2 * half));
    const within = row % (2 * half);
    const from = 2 * half * head + 2 * (within % half) + Math.floor(within / half);
    result.set(values.subarray(from * width, (from + 1) * width), row * width);
  }
  return result;
}

function unsupported(path: string, found: string, needed: string): FedKimError {
  return new FedKimError("ModelError", `The model in ${path} is not supported.`, {
    found,
    needed,
    remedy: "use a dense Llama, Mistral or Qwen2 model",
  });
}
