import { type GgufTensor, openGguf } from "../../src/formats/gguf.ts";
import { openSafetensors, readFloats } from "../../src/formats/safetensors.ts";

/** Metadata of a GGUF file by key; integers become UINT32, other numbers FLOAT32. */
export type Metadata = Record<string, number | string | boolean | readonly string[] | readonly number[]>;

/** A tensor to write: ggml type number, shape in the file's order (fastest axis first), bytes. */
export interface GgufPart {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A GGUF version 3 file, by the specification in ggml's docs/gguf.md. */
export function encodeGguf(metadata: Metadata, tensors: readonly GgufPart[]): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  const u32 = (value: number): void => void out.push(...new Uint8Array(Uint32Array.of(value).buffer));
  const u64 = (value: number): void =>
    void out.push(...new Uint8Array(BigUint64Array.of(BigInt(value)).buffer));
  const text = (value: string): void => {
    const bytes = new TextEncoder().encode(value);
    u64(bytes.length);
    for (const byte of bytes) out.push(byte);
  };
  const typed = (value: number | string | boolean): [number, () => void] =>
    typeof value === "string"
      ? [8, () => text(value)]
      : typeof value === "boolean"
      ? [7, () => out.push(Number(value))]
      : Number.isInteger(value)
      ? [4, () => u32(value)]
      : [6, () => out.push(...new Uint8Array(Float32Array.of(value).buffer))];
  out.push(...new TextEncoder().encode("GGUF"));
  u32(3);
  u64(tensors.length);
  u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    text(key);
    if (Array.isArray(value)) {
      u32(9);
      u32(typed(value[0])[0]);
      u64(value.length);
      for (const entry of value) typed(entry)[1]();
    } else {
      const [type, write] = typed(value as number | string | boolean);
      u32(type);
      write();
    }
  }
  let offset = 0;
  for (const { name, type, shape, bytes } of tensors) {
    text(name);
    u32(shape.length);
    for (const length of shape) u64(length);
    u32(type);
    u64(offset);
    offset += padded(bytes.length);
  }
  const start = padded(out.length);
  const file = new Uint8Array(start + offset);
  file.set(out);
  let at = start;
  for (const { bytes } of tensors) {
    file.set(bytes, at);
    at += padded(bytes.length);
  }
  return file;
}

/** Writes a Hugging Face folder of the tests as a GGUF file in float32, as llama.cpp's converter would. */
export async function folderToGguf(folder: string, path: string): Promise<void> {
  const config = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
  const { model } = JSON.parse(await Deno.readTextFile(`${folder}/tokenizer.json`));
  const family: string = config.model_type;
  const tokens = Object.entries<number>(model.vocab).sort((a, b) => a[1] - b[1]).map(([token]) => token);
  const metadata: Metadata = {
    "general.architecture": family,
    [`${family}.block_count`]: config.num_hidden_layers,
    [`${family}.context_length`]: config.max_position_embeddings,
    [`${family}.embedding_length`]: config.hidden_size,
    [`${family}.feed_forward_length`]: config.intermediate_size,
    [`${family}.attention.head_count`]: config.num_attention_heads,
    [`${family}.attention.head_count_kv`]: config.num_key_value_heads,
    [`${family}.attention.layer_norm_rms_epsilon`]: config.rms_norm_eps,
    [`${family}.rope.freq_base`]: config.rope_theta,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.token_type": tokens.map((_, id) => id < 3 ? 3 : 1),
    "tokenizer.ggml.merges": model.merges.map((merge: string[]) => merge.join(" ")),
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.add_bos_token": true,
  };
  const parts: GgufPart[] = [];
  for (const [name, stored] of (await openSafetensors(`${folder}/model.safetensors`)).tensors) {
    const values = await readFloats(stored);
    const heads = name.includes("q_proj")
      ? config.num_attention_heads
      : name.includes("k_proj")
      ? config.num_key_value_heads
      : 0;
    const rows = family === "llama" && heads > 0 ? permute(values, heads, stored.shape[0]) : values;
    parts.push({
      name: ggufName(name),
      type: 0,
      shape: stored.shape.toReversed(),
      bytes: new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength),
    });
  }
  await Deno.writeFile(path, encodeGguf(metadata, parts));
}

/** The tensors of a file, for tests that need their places. */
export async function ggufTensors(path: string): Promise<GgufTensor[]> {
  return [...(await openGguf(path)).tensors.values()];
}

/** reshape(heads, 2, half, in).swapaxes(1, 2) of the rows, as `LlamaModel.permute` in convert_hf_to_gguf.py. */
function permute(values: Float32Array, heads: number, rows: number): Float32Array {
  const width = values.length / rows;
  const half = rows / heads / 2;
  const result = new Float32Array(values.length);
  let to = 0;
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < half; i++) {
      for (let part = 0; part < 2; part++) {
        const from = ((head * 2 + part) * half + i) * width;
        result.set(values.subarray(from, from + width), width * to++);
      }
    }
  }
  return result;
}

const NAMES: readonly [RegExp, string][] = [
  [/^model\.embed_tokens/, "token_embd"],
  [/^model\.norm/, "output_norm"],
  [/^lm_head/, "output"],
  [/^model\.layers\.(\d+)\.input_layernorm/, "blk.$1.attn_norm"],
  [/^model\.layers\.(\d+)\.post_attention_layernorm/, "blk.$1.ffn_norm"],
  [/^model\.layers\.(\d+)\.self_attn\.o_proj/, "blk.$1.attn_output"],
  [/^model\.layers\.(\d+)\.self_attn\.([qkv])_proj/, "blk.$1.attn_$2"],
  [/^model\.layers\.(\d+)\.mlp\.(\w+)_proj/, "blk.$1.ffn_$2"],
];

function ggufName(name: string): string {
  const [pattern, replacement] = NAMES.find(([pattern]) => pattern.test(name))!;
  return name.replace(pattern, replacement);
}

function padded(length: number): number {
  return Math.ceil(length / 32) * 32;
}
