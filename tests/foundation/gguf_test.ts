import assert from "node:assert/strict";
import { dequantise } from "../../src/formats/_ggml_blocks.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { type GgmlType, openGguf, readGgufTensor } from "../../src/formats/gguf.ts";
import { encodeTextTable, readTextTable, tokenEmbedding } from "../../src/federation/text_table.ts";
import {
  embeddingTable,
  inspectCheckpoint,
  loadDecoder,
  loadTokenizer,
  openCheckpoint,
} from "../../src/foundation/mod.ts";
import { selectBackend, tf } from "../../src/tensor/mod.ts";
import { encodeGguf, folderToGguf, type GgufPart, ggufTensors, type Metadata } from "./_gguf_writer.ts";
import { writeTinyModel } from "./_tiny_model.ts";

/**
 * Three blocks of each type, dequantised by the Python package gguf 0.19.0 (`gguf.quants.dequantize`): bytes of a
 * block, offsets of its float16 fields, then values 0, 1, 17, n/2 + 5 and n - 1, their sum, and their sum weighted by
 * cos(index). The bytes are `(31 i^2 + 17 i + 5 floor(i / 7) + 7) mod 256`; field k of block b is
 * (0.013 + 0.5 k)(b + 1)(-1)^b.
 */
const GOLDEN: readonly [GgmlType, number, number[], number[]][] = [
  [
    "Q4_0",
    18,
    [0],
    [
      -0.03900146484375,
      -0.09100341796875,
      -0.03900146484375,
      0.052001953125,
      0.19500732421875,
      -1.97607421875,
      -0.7364130366558677,
    ],
  ],
  [
    "Q4_1",
    20,
    [0, 2],
    [
      0.65618896484375,
      0.55218505859375,
      0.5911865234375,
      -1.3643798828125,
      1.9290771484375,
      37.05328369140625,
      0.19235883929142472,
    ],
  ],
  [
    "Q5_0",
    22,
    [0],
    [
      0.11700439453125,
      -0.1820068359375,
      0.09100341796875,
      -0.052001953125,
      -0.5460205078125,
      -2.11907958984375,
      -1.8129624691496256,
    ],
  ],
  [
    "Q5_1",
    24,
    [0, 2],
    [
      0.773193359375,
      0.773193359375,
      0.60418701171875,
      -1.1563720703125,
      1.73406982421875,
      41.23944091796875,
      -2.563480316554344,
    ],
  ],
  [
    "Q8_0",
    34,
    [0],
    [
      -1.18304443359375,
      1.05303955078125,
      0.14300537109375,
      -2.6781005859375,
      2.84710693359375,
      13.364501953125,
      -16.119587504518094,
    ],
  ],
  [
    "Q4_K",
    144,
    [0, 2],
    [
      -9.49664306640625,
      -9.49664306640625,
      -1.82635498046875,
      26.1641845703125,
      -51.443115234375,
      -7428.42333984375,
      -61.80542163211447,
    ],
  ],
  [
    "Q5_K",
    176,
    [0, 2],
    [
      5.84393310546875,
      9.6790771484375,
      5.076904296875,
      48.2392578125,
      -15.30975341796875,
      -8106.4346923828125,
      126.35880491811298,
    ],
  ],
  [
    "Q6_K",
    210,
    [208],
    [
      -9.1263427734375,
      -9.1263427734375,
      -0.4420166015625,
      0,
      38.4554443359375,
      1673.058837890625,
      404.2013163785016,
    ],
  ],
];

Deno.test("dequantise() agrees with the Python package gguf in every block format", () => {
  for (const [type, size, fields, expected] of GOLDEN) {
    const bytes = Uint8Array.from(
      { length: 3 * size },
      (_, i) => 31 * i * i + 17 * i + 5 * Math.floor(i / 7) + 7,
    );
    for (let block = 0; block < 3; block++) {
      fields.forEach((at, k) => {
        const value = (0.013 + 0.5 * k) * (block + 1) * (-1) ** block;
        new DataView(bytes.buffer).setFloat16(block * size + at, value, true);
      });
    }
    const values = dequantise(type, bytes);
    const n = values.length;
    const actual = [0, 1, 17, n / 2 + 5, n - 1].map((i) => values[i]);
    actual.push(values.reduce((sum, value) => sum + value, 0));
    actual.push(values.reduce((sum, value, i) => sum + value * Math.cos(i), 0));
    actual.forEach((value, i) =>
      assert.ok(
        Math.abs(value - expected[i]) <= 1e-5 * Math.max(1, Math.abs(expected[i])),
        `${type}[${i}] ${value}`,
      )
    );
  }
});

Deno.test("float16 and bfloat16 tensors are exact", () => {
  const values = Float32Array.of(1, -2.5, 0.15625, 65504);
  assert.deepEqual(dequantise("F16", new Uint8Array(Float16Array.from(values).buffer)), values);
  const top = Uint16Array.from(
    new Uint32Array(Float32Array.of(1, -2.5, 0.15625).buffer),
    (bits) => bits >> 16,
  );
  assert.deepEqual(dequantise("BF16", new Uint8Array(top.buffer)), values.slice(0, 3));
});

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "fedkim-gguf-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a Llama checkpoint and its GGUF file are the same decoder and tokenizer", async () => {
  await selectBackend("wasm");
  for (const tiedHead of [true, false]) {
    const source = await writeTinyModel({ heads: 4, kvHeads: 2, headDim: 4, tiedHead });
    const file = `${source}/tiny.gguf`;
    await folderToGguf(source, file);
    const [a, b] = [await loadDecoder(source), await loadDecoder(file)];
    assert.equal(b.baseHash, a.baseHash);
    assert.equal(b.parameterCount, a.parameterCount);
    assert.deepEqual({ ...b.config, rmsNormEps: 0 }, { ...a.config, rmsNormEps: 0 });
    const [before, after] = [await loadTokenizer(source), await loadTokenizer(file)];
    for (const text of [" what is shock?", " yes", " temperature 38.5, x-ray"]) {
      assert.deepEqual(after.encode(text), before.encode(text), text);
    }
    assert.equal(after.bosId, before.bosId);
    assert.equal(after.eosId, before.eosId);
    assert.equal((await inspectCheckpoint(file)).parameterCount, a.parameterCount);
    // Sites read texts by a table that carries the tokenizer: a GGUF file's serves as well as a folder's.
    const table = await embeddingTable(b);
    const artefact = `${source}/table.safetensors`;
    await Deno.writeFile(artefact, await encodeTextTable(file, table));
    const expected = tokenEmbedding(before, table.values, table.hiddenSize).embed(" yes, in shock");
    assert.deepEqual((await readTextTable(artefact)).embed(" yes, in shock"), expected);
    a.dispose();
    b.dispose();
    await Deno.remove(source, { recursive: true });
  }
});

const QWEN: Metadata = {
  "general.architecture": "qwen2",
  "qwen2.block_count": 1,
  "qwen2.context_length": 16,
  "qwen2.embedding_length": 8,
  "qwen2.feed_forward_length": 8,
  "qwen2.attention.head_count": 2,
  "qwen2.attention.layer_norm_rms_epsilon": 1.5e-6,
};

function part(name: string, shape: number[], fill: (i: number) => number = (i) => i / 64): GgufPart {
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => fill(i));
  return { name, type: 0, shape, bytes: new Uint8Array(values.buffer) };
}

function qwenParts(): GgufPart[] {
  const square = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];
  return [
    part("token_embd.weight", [8, 10]),
    part("output_norm.weight", [8]),
    part("blk.0.attn_norm.weight", [8]),
    part("blk.0.ffn_norm.weight", [8]),
    ...square.map((name) => part(`blk.0.${name}.weight`, [8, 8])),
    ...["attn_q", "attn_k", "attn_v"].map((name) => part(`blk.0.${name}.bias`, [8])),
  ];
}

Deno.test("Qwen2 keeps the order of its q and k rows, and its biases", async () => {
  await inFolder(async (folder) => {
    await Deno.writeFile(`${folder}/q.gguf`, encodeGguf(QWEN, qwenParts()));
    const { config, archive } = await openCheckpoint(`${folder}/q.gguf`);
    assert.equal(config.attentionBias, "qkv");
    assert.equal(config.tiedHead, true);
    const q = archive.tensors.get("model.layers.0.self_attn.q_proj.weight")!;
    assert.deepEqual(await q.read(), Float32Array.from({ length: 64 }, (_, i) => i / 64));
    assert.ok(archive.tensors.has("model.layers.0.self_attn.k_proj.bias"));
  });
});

Deno.test("frequency factors and linear scaling of GGUF files reach the rotary table", async () => {
  await inFolder(async (folder) => {
    const file = `${folder}/r.gguf`;
    await Deno.writeFile(
      file,
      encodeGguf(QWEN, [...qwenParts(), part("rope_freqs.weight", [2], (i) => i + 1)]),
    );
    assert.deepEqual((await openCheckpoint(file)).config.ropeScaling, { type: "factors", factors: [1, 2] });
    const linear = { ...QWEN, "qwen2.rope.scaling.type": "linear", "qwen2.rope.scaling.factor": 2.5 };
    await Deno.writeFile(file, encodeGguf(linear, qwenParts()));
    assert.deepEqual((await openCheckpoint(file)).config.ropeScaling, { type: "linear", factor: 2.5 });
  });
});

Deno.test("a SentencePiece tokenizer merges by score and falls back to bytes", async () => {
  await inFolder(async (folder) => {
    const bytes = Array.from(
      { length: 256 },
      (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`,
    );
    const pieces = ["▁n", "▁no", "no", "n", "o", "▁", "▁y", "es", "e", "s", "y", "▁yes"];
    const tokens = ["<unk>", "<s>", "</s>", ...bytes, ...pieces];
    const metadata: Metadata = {
      ...QWEN,
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.tokens": tokens,
      "tokenizer.ggml.scores": tokens.map((_, id) => id < 259 ? 0.5 : 0.5 - id),
      "tokenizer.ggml.token_type": tokens.map((_, id) => id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1),
      "tokenizer.ggml.bos_token_id": 1,
      "tokenizer.ggml.eos_token_id": 2,
    };
    await Deno.writeFile(`${folder}/s.gguf`, encodeGguf(metadata, qwenParts()));
    const tokenizer = await loadTokenizer(`${folder}/s.gguf`);
    const id = (piece: string): number => tokens.indexOf(piece);
    assert.deepEqual(tokenizer.encode("no yes"), [id("▁no"), id("▁yes")]);
    assert.deepEqual(tokenizer.encode("né"), [id("▁n"), id("<0xC3>"), id("<0xA9>")]);
    assert.equal(tokenizer.decode(tokenizer.encode("yes né no")), "yes né no");
    assert.equal(tokenizer.bosId, 1);
  });
});

function refuses(code: string, part: string): (error: unknown) => boolean {
  return (error) => error instanceof FedKimError && error.code === code && error.message.includes(part);
}

Deno.test("lying and truncated GGUF headers are refused with the file and the tensor's name", async () => {
  await inFolder(async (folder) => {
    const file = `${folder}/bad.gguf`;
    const good = encodeGguf(QWEN, qwenParts());
    const cases: [string, Uint8Array, string, string][] = [
      ["empty", new Uint8Array(0), "FormatError", "bad.gguf"],
      ["not GGUF", new TextEncoder().encode("GGML".repeat(100)), "FormatError", "magic"],
      ["header only", good.subarray(0, 200), "FormatError", "bad.gguf"],
      ["data cut", good.subarray(0, good.length - 32), "FormatError", "blk.0.attn_v.bias"],
      ["version", patched(good, 4, 99), "FormatError", "version"],
      ["tensor count", patched(good, 8, 255), "FormatError", "bad.gguf"],
      ["absurd tensor count", patched(good, 14, 255), "FormatError", "Tensor count"],
      ["absurd metadata count", patched(good, 22, 255), "FormatError", "count"],
      ["a key of absurd length", patched(good, 30, 255), "FormatError", "length"],
      [
        "unknown type",
        encodeGguf(QWEN, [{ ...qwenParts()[0], type: 16 }]),
        "ModelError",
        "token_embd.weight",
      ],
      ["odd rows", encodeGguf(QWEN, [{ ...qwenParts()[0], type: 8 }]), "FormatError", "token_embd.weight"],
      [
        "the same name twice",
        encodeGguf(QWEN, [qwenParts()[0], qwenParts()[0]]),
        "FormatError",
        "token_embd.weight",
      ],
      ["a longer shape", encodeGguf(QWEN, longer(qwenParts())), "FormatError", "overlap"],
    ];
    for (const [what, bytes, code, text] of cases) {
      await Deno.writeFile(file, bytes);
      await assert.rejects(() => openGguf(file), refuses(code, text), what);
    }
    await assert.rejects(() => openGguf(`${folder}/none.gguf`), refuses("FormatError", "none.gguf"));
    await assert.rejects(() => openGguf(folder), refuses("FormatError", "a folder"));
    await Deno.writeFile(file, good);
    const [tensor] = await ggufTensors(file);
    await Deno.writeFile(file, good.subarray(0, 1000));
    await assert.rejects(() => readGgufTensor(tensor), refuses("FormatError", "end of file"));
  });
});

Deno.test("GGUF models that would be computed wrongly are refused, and nothing stays allocated", async () => {
  await selectBackend("wasm");
  const before = tf.memory().numTensors;
  await inFolder(async (folder) => {
    const file = `${folder}/bad.gguf`;
    const without = (name: string): GgufPart[] => qwenParts().filter((entry) => entry.name !== name);
    const nan = [...without("blk.0.ffn_up.weight"), part("blk.0.ffn_up.weight", [8, 8], () => NaN)];
    const cases: [Metadata, GgufPart[], string, string][] = [
      [{ ...QWEN, "general.architecture": "gemma2" }, qwenParts(), "ModelError", "gemma2"],
      [{ ...QWEN, "qwen2.expert_count": 8 }, qwenParts(), "ModelError", "mixture of experts"],
      [{ ...QWEN, "qwen2.rope.scaling.type": "yarn" }, qwenParts(), "ModelError", "yarn"],
      [{ ...QWEN, "qwen2.attention.sliding_window": 4 }, qwenParts(), "ModelError", "sliding window"],
      [{ ...QWEN, "qwen2.rope.dimension_count": 2 }, qwenParts(), "ModelError", "rotary"],
      [{ ...QWEN, "qwen2.block_count": "two" }, qwenParts(), "FormatError", "qwen2.block_count"],
      [{ ...QWEN, "qwen2.block_count": 2 }, qwenParts(), "ModelError", "model.layers.1"],
      [QWEN, without("token_embd.weight"), "ModelError", "token_embd.weight"],
      [QWEN, without("blk.0.ffn_up.weight"), "ModelError", "up_proj"],
      [QWEN, nan, "ModelError", "up_proj"],
    ];
    for (const [metadata, parts, code, text] of cases) {
      await Deno.writeFile(file, encodeGguf(metadata, parts));
      await assert.rejects(() => loadDecoder(file), refuses(code, text), text);
    }
    await Deno.writeFile(file, encodeGguf(QWEN, qwenParts()));
    await assert.rejects(() => loadTokenizer(file), refuses("FormatError", "tokenizer.ggml"));
  });
  assert.equal(tf.memory().numTensors, before, "tensors were leaked");
});

function patched(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = value;
  return copy;
}

/** The first tensor claims twice its rows: it then reaches into the second one. */
function longer(parts: GgufPart[]): GgufPart[] {
  const [first, ...rest] = parts;
  return [{ ...first, shape: [8, 20] }, ...rest];
}
