import { FedKimError } from "../formats/errors.ts";

/** The decoder families that are read. */
export type Architecture = "llama" | "mistral" | "qwen2" | "internlm2";

/** How rotary frequencies are stretched for long contexts. */
export type RopeScaling =
  | { readonly type: "default" }
  | { readonly type: "linear"; readonly factor: number }
  | { readonly type: "factors"; readonly factors: readonly number[] }
  | {
    readonly type: "llama3";
    readonly factor: number;
    readonly lowFreqFactor: number;
    readonly highFreqFactor: number;
    readonly originalMaxPosition: number;
  };

/** What `config.json` says about a Llama-family decoder. */
export interface DecoderConfig {
  /** Family: decides tensor names, biases and the layout of fused weights. */
  readonly architecture: Architecture;
  /** Rows of the embedding. */
  readonly vocabSize: number;
  /** Width of the residual stream. */
  readonly hiddenSize: number;
  /** Width of the feed-forward network. */
  readonly intermediateSize: number;
  /** Number of layers. */
  readonly layers: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads. */
  readonly kvHeads: number;
  /** Width of one head. */
  readonly headDim: number;
  /** Added to the mean square in RMSNorm. */
  readonly rmsNormEps: number;
  /** Base of the rotary frequencies. */
  readonly ropeTheta: number;
  /** Stretching of the rotary frequencies. */
  readonly ropeScaling: RopeScaling;
  /** True when the output head is the embedding itself. */
  readonly tiedHead: boolean;
  /** Linear layers with a bias: none, q/k/v (Qwen2) or all of attention. */
  readonly attentionBias: "none" | "qkv" | "all";
  /** Longest sequence the model was made for. */
  readonly maxPositions: number;
  /** Token that starts a sequence; absent where the model has none. */
  readonly bosTokenId?: number;
  /** Tokens that end a generation. */
  readonly eosTokenIds: readonly number[];
}

type Json = Readonly<Record<string, unknown>>;

const ARCHITECTURES: readonly Architecture[] = ["llama", "mistral", "qwen2", "internlm2"];

/**
 * Reads a Hugging Face `config.json` object of the Llama family.
 *
 * @param json the parsed file
 * @param file its path, for messages
 * @returns the checked configuration
 * @throws FedKimError `ModelError` for an unknown architecture or feature, `FormatError` for missing fields
 */
export function parseDecoderConfig(json: unknown, file: string): DecoderConfig {
  if (typeof json !== "object" || json === null) throw wrongField(file, "the file", "a JSON object");
  const fields = json as Json;
  const architecture = ARCHITECTURES.find((name) => name === fields.model_type);
  if (architecture === undefined) {
    throw unsupported(file, `model_type ${String(fields.model_type)}`, ARCHITECTURES.join(", "));
  }
  if ((fields.hidden_act ?? "silu") !== "silu") {
    throw unsupported(file, `hidden_act ${fields.hidden_act}`, "silu");
  }
  if (fields.mlp_bias === true) throw unsupported(file, "biases in the feed-forward layers", "none");
  if (fields.quantization_config != null) {
    throw unsupported(file, "quantised weights", "F32, F16 or BF16 weights");
  }
  if (typeof fields.sliding_window === "number" && fields.use_sliding_window !== false) {
    const maxPositions = count(fields, "max_position_embeddings", file);
    if (fields.sliding_window < maxPositions) throw unsupported(file, "a sliding window", "full attention");
  }
  const heads = count(fields, "num_attention_heads", file);
  const hiddenSize = count(fields, "hidden_size", file);
  const kvHeads = fields.num_key_value_heads == null ? heads : count(fields, "num_key_value_heads", file);
  const headDim = fields.head_dim == null ? hiddenSize / heads : count(fields, "head_dim", file);
  if (heads % kvHeads !== 0) {
    throw wrongField(
      file,
      `${kvHeads} key/value heads for ${heads} heads`,
      "a divisor of the number of heads",
    );
  }
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw wrongField(file, `head width ${headDim}`, "an even integer");
  }
  const rope = { ...objectOf(fields.rope_scaling), ...objectOf(fields.rope_parameters) };
  const bos = fields.bos_token_id;
  return {
    architecture,
    vocabSize: count(fields, "vocab_size", file),
    hiddenSize,
    intermediateSize: count(fields, "intermediate_size", file),
    layers: count(fields, "num_hidden_layers", file),
    heads,
    kvHeads,
    headDim,
    rmsNormEps: positive(fields.rms_norm_eps ?? 1e-6, "rms_norm_eps", file),
    ropeTheta: positive(rope.rope_theta ?? fields.rope_theta ?? 10000, "rope_theta", file),
    ropeScaling: parseRopeScaling(rope, file),
    tiedHead: fields.tie_word_embeddings === true,
    attentionBias: attentionBias(architecture, fields),
    maxPositions: count(fields, "max_position_embeddings", file),
    ...(typeof bos === "number" ? { bosTokenId: bos } : {}),
    eosTokenIds: [fields.eos_token_id].flat().filter((id) => typeof id === "number"),
  };
}

function attentionBias(architecture: Architecture, fields: Json): DecoderConfig["attentionBias"] {
  if (architecture === "qwen2") return "qkv";
  return fields.attention_bias === true || fields.bias === true ? "all" : "none";
}

function parseRopeScaling(rope: Json, file: string): RopeScaling {
  const type = rope.rope_type ?? rope.type ?? "default";
  switch (type) {
    case "default":
    // Dynamic NTK changes nothing up to max_position_embeddings, and longer sequences are refused.
    case "dynamic":
      return { type: "default" };
    case "linear":
      return { type: "linear", factor: positive(rope.factor, "rope factor", file) };
    case "llama3":
      return {
        type: "llama3",
        factor: positive(rope.factor, "rope factor", file),
        lowFreqFactor: positive(rope.low_freq_factor, "low_freq_factor", file),
        highFreqFactor: positive(rope.high_freq_factor, "high_freq_factor", file),
        originalMaxPosition: positive(
          rope.original_max_position_embeddings,
          "original_max_position_embeddings",
          file,
        ),
      };
    default:
      throw unsupported(file, `rope type ${String(type)}`, "default, linear or llama3");
  }
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? value as Json : {};
}

function count(fields: Json, name: string, file: string): number {
  const value = fields[name];
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw wrongField(file, `${name} = ${String(value)}`, "a positive integer");
}

function positive(value: unknown, name: string, file: string): number {
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  throw wrongField(file, `${name} = ${String(value)}`, "a positive number");
}

function wrongField(file: string, found: string, needed: string): FedKimError {
  return new FedKimError("FormatError", `The model configuration ${file} is malformed.`, {
    found,
    needed,
    remedy: "copy or download the model folder again",
  });
}

function unsupported(file: string, found: string, needed: string): FedKimError {
  return new FedKimError("ModelError", `The model described by ${file} is not supported.`, {
    found,
    needed,
    remedy: "use a Llama, Mistral, Qwen2 or InternLM2 checkpoint without quantisation",
  });
}
