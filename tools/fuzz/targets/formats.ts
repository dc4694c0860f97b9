import { canonicalJson } from "../../../src/formats/canonical_json.ts";
import { parseDatasetManifest, parseFederationManifest } from "../../../src/formats/dataset_manifest.ts";
import { openGguf, readGgufTensor } from "../../../src/formats/gguf.ts";
import { readNpy, writeNpy } from "../../../src/formats/npy.ts";
import {
  encodeSafetensors,
  openSafetensors,
  readFloats,
  readIntegers,
} from "../../../src/formats/safetensors.ts";
import { ICU_MANIFEST } from "../../../tests/federation/_icu_spec.ts";
import { encodeGguf } from "../../../tests/foundation/_gguf_writer.ts";
import { type FuzzTarget, jsonBytes, jsonValueOf, law, textOf, utf8 } from "../target.ts";
import { asFile } from "./scratch.ts";

/** A manifest with every kind of modality. */
export const MANIFEST = {
  ...ICU_MANIFEST,
  modalities: {
    ...ICU_MANIFEST.modalities,
    vitals: { kind: "timeseries", field: "vitals", channels: ["hr"], steps: 2, stepSeconds: 3600 },
    note: { kind: "text", field: "note" },
  },
  tasks: [{ ...ICU_MANIFEST.tasks[0], modalities: ["labs", "vitals", "note"] }],
};

/** A small safetensors file. */
export function safetensorsSeed(metadata: Readonly<Record<string, string>> = { format: "pt" }): Uint8Array {
  return encodeSafetensors(
    new Map([
      ["a.weight", { dtype: "F32", shape: [2, 3], values: new Float32Array(6).fill(0.5) }],
      ["b", { dtype: "I32", shape: [2], values: new Int32Array(2) }],
    ]),
    metadata,
  );
}

/** A small GGUF file with a tokenizer inside. */
export function ggufSeed(): Uint8Array<ArrayBuffer> {
  return encodeGguf({
    "general.architecture": "llama",
    "llama.block_count": 1,
    "llama.context_length": 64,
    "llama.embedding_length": 32,
    "llama.feed_forward_length": 32,
    "llama.attention.head_count": 2,
    "llama.attention.layer_norm_rms_epsilon": 0.5,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": ["a", "b", "ab"],
    "tokenizer.ggml.token_type": [1, 1, 1],
    "tokenizer.ggml.merges": ["a b"],
    "tokenizer.ggml.bos_token_id": 1,
  }, [
    { name: "token_embd.weight", type: 0, shape: [4, 3], bytes: new Uint8Array(48) },
    { name: "output_norm.weight", type: 8, shape: [32], bytes: new Uint8Array(34) },
  ]);
}

/** Files in other people's formats. */
export const FORMAT_TARGETS: readonly FuzzTarget[] = [
  {
    name: "npy",
    kind: "bytes",
    words: ["'descr'", "'shape': (", "'fortran_order': True", "<f8", "|u1", ">f4", "99999999999,", ")"],
    seeds: () =>
      Promise.resolve([
        writeNpy({ shape: [2, 3], data: new Float32Array(6) }),
        writeNpy({ shape: [4], data: new Uint8Array(4) }),
      ]),
    parse: (input) => {
      const { shape, data } = readNpy(input, "input.npy");
      law(
        data.length === shape.reduce((product, n) => product * n, 1),
        "elements that the shape does not have",
      );
    },
  },
  {
    name: "safetensors",
    kind: "bytes",
    words: ['"dtype":"F64"', '"dtype":"BOOL"', '"shape":[', '"data_offsets":[0,', '"__metadata__":', "0,"],
    seeds: () => Promise.resolve([safetensorsSeed(), safetensorsSeed({})]),
    parse: async (input) => {
      const path = asFile("input.safetensors", input);
      const { tensors } = await openSafetensors(path);
      let bytes = 0;
      for (const tensor of tensors.values()) {
        bytes += tensor.byteLength;
        const read = /^(F|BF)/.test(tensor.dtype) ? readFloats : readIntegers;
        const { length } = await read(tensor);
        law(
          length === tensor.shape.reduce((product, n) => product * n, 1),
          "values that the shape does not have",
        );
      }
      const header = Number(new DataView(input.buffer).getBigUint64(0, true));
      law(8 + header + bytes === input.length, "bytes that belong to no tensor");
    },
  },
  {
    name: "safetensors_index",
    kind: "json",
    seeds: () => {
      asFile("shard.safetensors", safetensorsSeed());
      return Promise.resolve([
        jsonBytes({
          metadata: { total_size: 32 },
          weight_map: { "a.weight": "shard.safetensors", b: "shard.safetensors" },
        }),
      ]);
    },
    parse: async (input) => await openSafetensors(asFile("input.safetensors.index.json", input)),
  },
  {
    name: "gguf",
    kind: "bytes",
    seeds: () => Promise.resolve([ggufSeed()]),
    parse: async (input) => {
      const { tensors } = await openGguf(asFile("input.gguf", input));
      for (const tensor of tensors.values()) await readGgufTensor(tensor);
    },
  },
  {
    name: "canonical_json",
    kind: "json",
    seeds: () => Promise.resolve([jsonBytes(MANIFEST), utf8('{"b":1e21,"a":[-0,0.1,"\\u2028"]}')]),
    parse: (input) => {
      const json = jsonValueOf(input);
      if (json === undefined) return;
      const { value } = json;
      const text = canonicalJson(value);
      law(canonicalJson(JSON.parse(text)) === text, "a canonical text with another canonical text");
    },
  },
  {
    name: "dataset_manifest",
    kind: "json",
    seeds: () => Promise.resolve([jsonBytes(MANIFEST)]),
    parse: (input) => parseDatasetManifest(textOf(input), "dataset.json"),
  },
  {
    name: "federation_manifest",
    kind: "json",
    seeds: () =>
      Promise.resolve([
        jsonBytes({ format: "fedkim-federation/1", sites: ["a", "b"], public: "public", test: "test" }),
      ]),
    parse: (input) => parseFederationManifest(textOf(input), "federation.json"),
  },
];
