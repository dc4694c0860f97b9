import assert from "node:assert/strict";
import { parseDatasetManifest, parseFederationManifest } from "../../src/formats/dataset_manifest.ts";
import { heldOutName, POPULATION_NAME } from "../../src/formats/set_name.ts";

const task = {
  name: "shock",
  type: "binary",
  label: "labels.shock",
  question: "Shock?",
  description: "T",
  modalities: ["vitals"],
  modalityDescription: "M",
  role: "train",
};
const manifest = {
  format: "fedkim-dataset/1",
  name: "icu",
  records: "records.jsonl",
  patientField: "patient",
  privacyUnit: "patient",
  modalities: { vitals: { kind: "vector", field: "vitals", channels: ["a", "b"] } },
  tasks: [task],
};

const refuses = (change: object, message: RegExp): void => {
  assert.throws(() => parseDatasetManifest(JSON.stringify({ ...manifest, ...change }), "d.json"), (error) => {
    const { code, message: text } = error as { code: string; message: string };
    assert.equal(code, "DatasetError");
    assert.match(text, /d\.json/);
    assert.match(text, message);
    return true;
  });
};

Deno.test("parseDatasetManifest() accepts a manifest and keeps its fields", () => {
  const parsed = parseDatasetManifest(JSON.stringify(manifest), "d.json");
  assert.equal(parsed.tasks[0].name, "shock");
  assert.equal(parsed.modalities.vitals.kind, "vector");
});

Deno.test("parseDatasetManifest() names the wrong field", () => {
  refuses({ privacyUnit: "hospital" }, /privacyUnit/);
  refuses({ format: "fedkim-dataset/2" }, /format/);
  refuses({ modalities: { vitals: { kind: "sound", field: "x" } } }, /modalities\.vitals/);
  refuses({ tasks: [{ ...task, role: "later" }] }, /tasks\.0\.role/);
  refuses({ tasks: [{ ...task, modalities: ["labs"] }] }, /labs/);
  refuses({ tasks: [task, task] }, /same name/);
  refuses({ tasks: [{ ...task, type: "multiclass" }] }, /classes/);
});

Deno.test("parseDatasetManifest() refuses files outside the folder", () => {
  for (const records of ["../other.jsonl", "/etc/passwd", "a/../../b", "C:\\x"]) {
    refuses({ records }, /inside/);
  }
});

Deno.test("parseFederationManifest() needs at least one site and says when the file is no JSON", () => {
  const good = { format: "fedkim-federation/1", sites: ["a"], public: "public", test: "test" };
  assert.deepEqual(parseFederationManifest(JSON.stringify(good), "f.json").sites, ["a"]);
  assert.throws(() => parseFederationManifest(JSON.stringify({ ...good, sites: [] }), "f.json"), /sites/);
  assert.throws(() => parseFederationManifest("{", "f.json"), /f\.json is not JSON/);
});

Deno.test("a set has a name that plan, ledger and statements take, with and without held-out patients, or none", () => {
  for (const name of ["icu", "ICU_2.v1-b", "a".repeat(55), "x.held_out.y", "held_out"]) {
    assert.equal(parseDatasetManifest(JSON.stringify({ ...manifest, name }), "d.json").name, name);
    assert.match(heldOutName(name), POPULATION_NAME);
  }
  const wrong = [
    "",
    "a".repeat(56),
    "a".repeat(200),
    "icu ward",
    "icu|x",
    "..",
    ".icu",
    "é",
    "a\nb",
    "icu.held_out",
  ];
  for (const name of wrong) refuses({ name }, /name: .*1 to 55/);
});
