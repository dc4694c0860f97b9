import assert from "node:assert/strict";
import { join } from "node:path";
import { DOCUMENTS, undocumented } from "../../cli/documents.ts";
import { verbs } from "../../tools/docs_cli.ts";
import { encodeInvite } from "../../src/federation/mod.ts";
import { fedkim, root } from "../_fedkim.ts";
import { sharedTest } from "../_shared.ts";
import { withService } from "../federation/api/_service.ts";
import { documentOf } from "./_document.ts";

/** Runs a verb with `--json` that must end well, and gives its document. */
async function documented(verb: string, ...args: string[]): Promise<ReturnType<typeof documentOf>> {
  const ended = await fedkim(...verb.split(" "), ...args, "--json");
  assert.equal(ended.code, 0, `${verb}: ${ended.stderr}`);
  return documentOf(verb, ended.stdout);
}

async function inFolder(body: (at: (...parts: string[]) => string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body((...parts) => join(dir, ...parts));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("the table of documents names every verb, and finds what is missing, new, null or of another kind", () => {
  assert.deepEqual(Object.keys(DOCUMENTS).toSorted(), verbs().toSorted());
  assert.deepEqual(undocumented("verify audit", { entries: 1, newest: null }), []);
  assert.deepEqual(undocumented("verify audit", { entries: "1", newest: "x", more: 1 }), [
    "more is not documented",
    "entries is of kind text",
  ]);
  assert.deepEqual(undocumented("dashboard", { url: null }), ["url is null"]);
  assert.deepEqual(undocumented("dashboard", {}), ["url is missing"]);
});

Deno.test("with --json verbs about files print exactly one documented document on stdout", async () => {
  await inFolder(async (at) => {
    const mapping = [
      ...['format = "fedkim-import/1"', 'name = "icu"', 'licence = "x"', 'privacyUnit = "patient"'],
      ...['recordTable = "stays"', 'patientColumn = "person"', "[tables.stays]", 'file = "stays.csv"'],
      ...['key = "stay"', "[modalities.labs]", 'kind = "vector"', "[[modalities.labs.channels]]"],
      ...['name = "lactate"', 'column = "lactate"', 'unit = "mmol/L"', "[[tasks]]", 'name = "icu_shock"'],
      ...['type = "binary"', 'column = "shock"', 'question = "Shock?"', 'description = "Shock."'],
      ...['modalities = ["labs"]', 'modalityDescription = "Labs."'],
    ];
    await Deno.writeTextFile(at("icu.toml"), mapping.join("\n"));
    const rows = Array.from({ length: 12 }, (_, i) => `${i},p${i},${1 + i / 4},${i % 2}`);
    await Deno.writeTextFile(at("stays.csv"), `stay,person,lactate,shock\n${rows.join("\n")}\n`);
    await Deno.writeTextFile(at("key"), "0123456789abcdef");
    const key = ["--pseudonym-key", at("key")];
    const imported = await documented(
      "dataset import",
      "--mapping",
      at("icu.toml"),
      "--out",
      at("icu"),
      ...key,
    );
    assert.equal(imported.records, 12);
    await documented("dataset inspect", at("icu"));

    const row = {
      ...{ id: "a", composition: { type: "gaussian", sigma: 2 }, accountant: { name: "analytic_gaussian" } },
      ...{ query: "epsilon_at_delta", delta: 1e-5, neighboring: "add_or_remove_one" },
    };
    await Deno.writeTextFile(at("rows.json"), JSON.stringify({ rows: [row] }));
    await documented("verify accounting", at("rows.json"));

    await documented("simulate", "--sites", "3", "--dim", "16");
    await documented("doctor", "--backend", "cpu");
    const model = join(root, "models/medlm-tiny");
    await documented("foundation inspect", model, "--backend", "cpu");
    const said = await documented("foundation generate", model, "hello", "--tokens", "1", "--backend", "cpu");
    assert.equal(said.seed, null);
    const drawn = ["hello", "--tokens", "1", "--backend", "cpu", "--top-k", "2"];
    assert.equal((await documented("foundation generate", model, ...drawn)).seed, 1);

    const printed = ["--print-config", "--set", `state=${at("s")}`, "--set", `data=${at("icu")}`];
    await documented("client", ...printed);
  });
});

Deno.test("with --json verbs about members print exactly one documented document on stdout", async () => {
  await inFolder(async (at) => {
    await withService(async ({ app, book }) => {
      const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, app.fetch);
      const url = `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}`;
      const invited = await documented("enroll", "--state", at("other"), "--site", "b", "--url", url);
      assert.match(String(invited.invite), /^fk1\./);
      await documented("verify audit", at("other"));
      const invite = encodeInvite(await book.invite("mercy", url));
      const accepted = await documented("enroll", "--state", at("mercy"), "--invite", invite);
      assert.equal(accepted.site, "mercy");
      await documented("enroll", "--state", at("mercy"), "--rotate");
      await documented("policy", "--state", at("mercy"), "--epsilon", "8");
      await documented("withdraw", "--state", at("mercy"), "--patient", "p1");
      const opened = await documented("dashboard", "--state", at("mercy"));
      assert.match(String(opened.url), /\/dashboard\/enter\?ticket=mercy\./);
      await server.shutdown();
    });
  });
});

for (
  const [verb, vectors] of [["verify decoder", "vectors/decoder/llama_gqa"], [
    "verify m3oe",
    "vectors/m3oe/m3oe_5.safetensors",
  ]]
) {
  sharedTest(
    `with --json ${verb} prints exactly one documented document on stdout`,
    vectors,
    async (path) => {
      await documented(verb, path, "--backend", "cpu");
    },
  );
}
