import assert from "node:assert/strict";
import { encodeTextTable, readTextTable } from "../../../src/federation/text_table.ts";
import { requireHarmlessTokenizer } from "../../../src/federation/tokenizer_rules.ts";
import { encodeSafetensors } from "../../../src/formats/safetensors.ts";
import { EMBEDDED_MODEL_FOLDER, tokenizerFiles } from "../../../src/foundation/mod.ts";
import { inWorld, VICTIM, type World } from "./_world.ts";

/** A token table whose tokenizer has these rules. */
async function tableWith(rules: Readonly<Record<string, unknown>>): Promise<Uint8Array> {
  const { definition, settings } = await tokenizerFiles(EMBEDDED_MODEL_FOLDER);
  const files = { "tokenizer.json": { ...definition, ...rules }, "tokenizer_config.json": settings };
  const metadata = Object.fromEntries(
    Object.entries(files).map(([name, file]) => [name, JSON.stringify(file)]),
  );
  return encodeSafetensors(
    new Map([["embedding", { dtype: "F32", shape: [4, 6], values: new Float32Array(24) }]]),
    metadata,
  );
}

const split = (Regex: string) => ({
  pre_tokenizer: { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false },
});
const replace = (String: string, content: string) => ({ type: "Replace", pattern: { String }, content });

/** Rules that take time, or room, where a text says something, and none where it does not. */
const ORACLES: Readonly<Record<string, Record<string, unknown>>> = {
  "a pattern that never ends where a note says sepsis": split("(?=.*sepsis)(?:.|.)*\\u0001"),
  "the same inside of other rules": {
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [{ type: "Digits" }, split("(.+)+\\u0001").pre_tokenizer],
    },
  },
  "a pattern as a normalizer": {
    normalizer: { type: "Replace", pattern: { Regex: "(?=.*sepsis)(?:.|.)*\\u0001" }, content: "" },
  },
  "a note that grows a thousandfold where it says sepsis": {
    normalizer: replace("sepsis", "x".repeat(1000)),
  },
  "one that doubles again and again": {
    normalizer: { type: "Sequence", normalizers: Array(40).fill(replace("a", "aa")) },
  },
  "a prefix of a million letters": { normalizer: { type: "Prepend", prepend: "x".repeat(1e6) } },
};

async function verdict(world: World, textTable: Uint8Array) {
  const model = { ...world.plan.model, textTable: world.aggregator.publish(textTable) };
  const worker = world.start(VICTIM, world.sealed({ ...world.plan, model }));
  await world.until(() => worker.over || worker.events.some(({ kind }) => kind === "accepted"));
  return await world.dismiss(worker);
}

Deno.test("a tokenizer that could tell notes apart by its time is refused before it has read any", async (t) => {
  await inWorld(async (world) => {
    for (const [name, rules] of Object.entries(ORACLES)) {
      await t.step(name, async () => {
        const { error } = await verdict(world, await tableWith(rules));
        assert.deepEqual([error?.code, error?.details.reason], ["FormatError", "tokenizer_rules"]);
        assert.equal(await world.committed(VICTIM), 0);
      });
    }
    assert.equal((await verdict(world, await tableWith({}))).error, undefined, "the model's own is taken");
  });
});

Deno.test("the rules of known families pass, and the aggregator hears of others before any site does", async () => {
  const words = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" +
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  requireHarmlessTokenizer({ normalizer: { type: "NFC" }, ...split(words) });
  requireHarmlessTokenizer({
    normalizer: { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, replace(" ", "▁")] },
    pre_tokenizer: null,
  });
  const dir = await Deno.makeTempDir();
  const { definition, settings } = await tokenizerFiles(EMBEDDED_MODEL_FOLDER);
  const files = {
    "tokenizer.json": { ...definition, ...split("(.+)+x") },
    "tokenizer_config.json": settings,
  };
  for (const [name, file] of Object.entries(files)) {
    await Deno.writeTextFile(`${dir}/${name}`, JSON.stringify(file));
  }
  const table = { vocabSize: 4, hiddenSize: 6, values: new Float32Array(24) };
  await assert.rejects(encodeTextTable(dir, table), { code: "FormatError" });
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a text whose tokens the table does not have is no failure: no plan is refused for what a note says", async () => {
  const path = await Deno.makeTempFile();
  const model = { type: "WordPiece", vocab: { a: 0, b: 9 }, unk_token: "[UNK]", max_input_chars_per_word: 5 };
  await Deno.writeFile(path, await tableWith({ model }));
  const table = await readTextTable(path);
  for (const text of ["", "a", "b", "sepsis", "\ud800", "ab ".repeat(1000)]) {
    const rows = table.embed(text);
    assert.ok(rows.length % table.dimension === 0 && rows.every((value) => value === 0), text.slice(0, 10));
  }
  await Deno.remove(path);
  await Deno.remove(`${path}.tokenizer`, { recursive: true });
});

Deno.test("a head of another form than the site's own task is refused whatever the labels are", () =>
  inWorld(async (world) => {
    const { model } = world.plan;
    const heads = model.spec.heads.map((head) => ({ ...head, type: "multilabel" as const }));
    const worker = world.start(
      VICTIM,
      world.sealed({ ...world.plan, model: { ...model, spec: { ...model.spec, heads } } }),
    );
    await world.until(() => worker.over || worker.events.some(({ kind }) => kind === "accepted"));
    assert.equal((await world.dismiss(worker)).error?.code, "DatasetError");
    assert.equal(await world.committed(VICTIM), 0);
  }));
