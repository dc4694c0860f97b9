import {
  inspectCheckpoint,
  loadDecoder,
  loadTokenizer,
  parseDecoderConfig,
} from "../../../src/foundation/mod.ts";
import { DEFAULT_INJECTION, loadInjection, readEncoderWeights } from "../../../src/m3oe/mod.ts";
import { readCheckpoint } from "../../../src/m3oe/training_checkpoint.ts";
import { readTrainingState } from "../../../src/local/training_state.ts";
import { readTextTable } from "../../../src/federation/text_table.ts";
import { readWeights } from "../../../src/federation/weights_file.ts";
import { encodeSafetensors } from "../../../src/formats/safetensors.ts";
import { selectBackend } from "../../../src/tensor/mod.ts";
import { writeTinyModel } from "../../../tests/foundation/_tiny_model.ts";
import { type FuzzTarget, jsonBytes, jsonValueOf, law, textOf, utf8 } from "../target.ts";
import { ggufSeed, safetensorsSeed } from "./formats.ts";
import { asFile, scratch } from "./scratch.ts";

let tiny: Promise<string> | undefined;

/** A random model of the tests, with its tokenizer. */
function tinyModel(): Promise<string> {
  tiny ??= selectBackend("cpu").then(() => writeTinyModel());
  return tiny;
}

function stateSeed(metadata: Readonly<Record<string, string>>, names: readonly string[]): Uint8Array {
  const values = new Float32Array(3);
  return encodeSafetensors(
    new Map(names.map((name) => [name, { dtype: "F32", shape: [3], values }])),
    metadata,
  );
}

let base: Promise<Awaited<ReturnType<typeof loadDecoder>>> | undefined;

async function adapterConfig(): Promise<unknown> {
  const folder = await tinyModel();
  base ??= loadDecoder(folder);
  return {
    format: "fedkim-m3oe/1",
    baseHash: (await base).baseHash,
    config: { ...DEFAULT_INJECTION, r: 2, experts: 2 },
    modalities: { labs: 4 },
    tasks: [{ name: "t", description: "d", modalityDescription: "m", type: "binary" }],
  };
}

/** Checkpoints, tokenizers, adapters and training states. */
export const FOUNDATION_TARGETS: readonly FuzzTarget[] = [
  {
    name: "tokenizer_json",
    kind: "json",
    words: ["BPE", "ByteLevel", "Sequence", "Regex", "(?:", "[\\s", "Ġ", "<s>"],
    seeds: async () => {
      const folder = await tinyModel();
      asFile("tokenizer_config.json", await Deno.readFile(`${folder}/tokenizer_config.json`));
      const whole = JSON.parse(await Deno.readTextFile(`${folder}/tokenizer.json`));
      // Small: the first tokens and the merges among them.
      const vocab = Object.fromEntries(
        Object.entries<number>(whole.model.vocab).filter(([, id]) => id < 280),
      );
      const known = new Set(Object.keys(vocab));
      const merges = whole.model.merges.filter((merge: string[]) => known.has(merge.join("")));
      return [jsonBytes({ ...whole, model: { ...whole.model, vocab, merges } })];
    },
    parse: async (input) => {
      asFile("tokenizer.json", input);
      const tokenizer = await loadTokenizer(scratch());
      const ids = tokenizer.encode("the patient 98.6");
      law(ids.every((id) => Number.isSafeInteger(id) && id >= 0), "a token id that is no index");
      tokenizer.decode(ids);
    },
  },
  {
    name: "gguf_checkpoint",
    kind: "bytes",
    words: ["llama", "qwen2", "tokenizer.ggml.tokens", "llama.attention.head_count_kv"],
    seeds: () => Promise.resolve([ggufSeed()]),
    parse: async (input) => {
      const path = asFile("input.gguf", input);
      await loadTokenizer(path).then((tokenizer) => tokenizer.encode("ab"), (error) => {
        if (!String(error).includes("FedKimError")) throw error;
      });
      await inspectCheckpoint(path);
    },
  },
  {
    name: "decoder_config",
    kind: "json",
    seeds: async () => [await Deno.readFile(`${await tinyModel()}/config.json`)],
    parse: (input) => {
      const json = jsonValueOf(input);
      if (json === undefined) return;
      const { value } = json;
      const config = parseDecoderConfig(value, "config.json");
      for (const size of [config.hiddenSize, config.layers, config.heads, config.kvHeads, config.vocabSize]) {
        law(Number.isSafeInteger(size) && size > 0, "a size that is no positive integer");
      }
    },
  },
  {
    name: "adapter_config",
    kind: "json",
    seeds: async () => [jsonBytes(await adapterConfig())],
    parse: async (input) => {
      asFile("adapter_config.json", input);
      asFile("adapter_model.safetensors", safetensorsSeed());
      const decoder = await base!;
      const tokenizer = await loadTokenizer(await tinyModel());
      (await loadInjection(scratch(), { decoder, tokenizer })).dispose();
    },
  },
  {
    name: "adapter_tensors",
    kind: "bytes",
    words: ['"encoders/a"', '"dtype":"F16"', '"shape":[0]'],
    seeds: () => Promise.resolve([stateSeed({ format: "fedkim-m3oe/1" }, ["encoders/labs", "gate"])]),
    parse: async (input) => {
      asFile("adapter_model.safetensors", input);
      for (const { data } of (await readEncoderWeights(scratch())).values()) {
        law(data.every(Number.isFinite), "a weight that is not finite");
      }
    },
  },
  {
    name: "injection_checkpoint",
    kind: "bytes",
    seeds: () =>
      Promise.resolve([stateSeed({
        format: "fedkim-m3oe-training/1",
        fingerprint: "f",
        step: "3",
        optimizerSteps: "3",
        bestEpoch: "1",
        bestLoss: "0.5",
      }, ["weights/a", "first/a", "second/a"])]),
    parse: async (input) =>
      await readCheckpoint(asFile("state.safetensors", input), "f", new Map([["a", 3]])),
  },
  {
    name: "training_state",
    kind: "bytes",
    words: ['"step":"', '"parameters"'],
    seeds: () =>
      Promise.resolve([
        stateSeed({ format: "fedkim-local-training/1", step: "3" }, ["parameters", "first", "second"]),
      ]),
    parse: async (input) => await readTrainingState(asFile("training.safetensors", input)),
  },
  {
    name: "local_weights",
    kind: "bytes",
    seeds: () => Promise.resolve([stateSeed({ format: "fedkim-local-weights/1" }, ["a"])]),
    parse: async (input) => await readWeights(asFile("weights.safetensors", input)),
  },
  {
    name: "text_table",
    kind: "bytes",
    seeds: () =>
      Promise.resolve([encodeSafetensors(
        new Map([["embedding", { dtype: "F32", shape: [2, 2], values: new Float32Array(4) }]]),
        {
          "tokenizer.json": textOf(utf8(
            '{"version":"1.0","model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]},"added_tokens":[]}',
          )),
          "tokenizer_config.json": "{}",
        },
      )]),
    parse: async (input) => {
      const table = await readTextTable(asFile("table.safetensors", input));
      law(table.embed("ab").length % table.dimension === 0, "rows of another width");
    },
  },
];
