import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { parseDatasetManifest, parseFederationManifest } from "../../src/formats/dataset_manifest.ts";
import { FedKimError } from "../../src/formats/errors.ts";
import { SET_NAMES, synthesizeFederation, SYNTHETIC_LICENCE } from "../../src/local/synthesize/mod.ts";
import { sharedTest } from "../_shared.ts";

const SMALL = { icu: 4, cxr: 3, ecg: 1, vqa: 4 };
const PATIENTS = { site: SMALL, public: SMALL, test: SMALL };

/** Runs `body` with a synthetic federation in a temporary folder. */
async function withFederation(seed: number, body: (dir: string) => Promise<void> | void): Promise<void> {
  const parent = await Deno.makeTempDir();
  try {
    const dir = join(parent, "federation");
    await synthesizeFederation(dir, { seed, patients: PATIENTS });
    await body(dir);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

const text = (path: string) => Deno.readTextFileSync(path);
const json = (path: string) => JSON.parse(text(path));
const lines = (path: string) => text(path).trimEnd().split("\n").map((line) => JSON.parse(line));

/** SHA-256 over every file below a folder, in the order of the names. */
function digest(dir: string): string {
  const hash = createHash("sha256");
  for (
    const { name, isDirectory } of [...Deno.readDirSync(dir)].toSorted((a, b) => a.name < b.name ? -1 : 1)
  ) {
    hash.update(name).update(isDirectory ? digest(join(dir, name)) : Deno.readFileSync(join(dir, name)));
  }
  return hash.digest("hex");
}

Deno.test("the same seed writes the same bytes, another seed other bytes", async () => {
  const digests: string[] = [];
  for (const seed of [11, 11, 12]) await withFederation(seed, (dir) => void digests.push(digest(dir)));
  assert.equal(digests[0], digests[1]);
  assert.notEqual(digests[0], digests[2]);
});

Deno.test("every folder is a valid dataset that says that it is synthetic", async () => {
  await withFederation(5, (dir) => {
    const federation = parseFederationManifest(text(join(dir, "federation.json")), "federation.json");
    assert.deepEqual(federation.sites, ["site-midwest", "site-south", "site-west", "site-northeast"]);
    for (const part of [...federation.sites, federation.public, federation.test]) {
      for (const set of SET_NAMES) {
        const manifest = parseDatasetManifest(text(join(dir, part, set, "dataset.json")), set);
        assert.equal(manifest.name, set);
        assert.equal(manifest.licence, SYNTHETIC_LICENCE);
        assert.match(manifest.citation, /SYNTHETIC.*seed 5/);
        const first = lines(join(dir, part, set, "records.jsonl"))[0];
        for (const modality of Object.values(manifest.modalities)) {
          assert.ok(modality.field in first, `${set} has no ${modality.field}`);
          if (modality.kind === "vector") {
            assert.equal(first[modality.field].length, modality.channels.length);
          }
          if (modality.kind === "timeseries") {
            assert.equal(first[modality.field].length, modality.steps);
            assert.equal(first[modality.field][0].length, modality.channels.length);
          }
        }
        for (const task of manifest.tasks) {
          assert.ok(task.label.slice("labels.".length) in first.labels, task.name);
        }
      }
    }
  });
});

Deno.test("no patient is in two parts, and identifiers of records are unique", async () => {
  await withFederation(6, (dir) => {
    for (const set of SET_NAMES) {
      const homes = new Map<string, string>();
      const ids = new Set<string>();
      for (const part of ["site-midwest", "site-south", "site-west", "site-northeast", "public", "test"]) {
        for (const { id, patient } of lines(join(dir, part, set, "records.jsonl"))) {
          assert.equal(homes.get(patient) ?? part, part, `${patient} is in two parts`);
          assert.ok(!ids.has(id), id);
          homes.set(patient, part);
          ids.add(id);
        }
      }
    }
  });
});

Deno.test("how a patient looks does not depend on how many others were asked for", async () => {
  await withFederation(7, async (dir) => {
    const larger = join(dir, "larger");
    await synthesizeFederation(larger, { seed: 7, patients: { ...PATIENTS, site: { ...SMALL, icu: 9 } } });
    const path = ["site-west", "icu", "records.jsonl"];
    const few = lines(join(dir, ...path));
    assert.deepEqual(lines(join(larger, ...path)).slice(0, few.length), few);
  });
});

Deno.test("the default sizes are those of a quick demo, and progress reaches its total", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const seen: number[] = [];
    const summary = await synthesizeFederation(dir, {
      seed: 1,
      patients: { site: { ecg: 1, vqa: 1 }, public: { ecg: 1, vqa: 1 }, test: { ecg: 1, vqa: 1 } },
      onProgress: ({ done, total }) => seen.push(done / total),
    });
    const { icu, cxr } = summary.parts["site-south"];
    assert.ok(icu.records >= 115 && icu.records <= 155 && icu.patients === 105, `${icu.records} stays`);
    assert.ok(cxr.records >= 55 && cxr.records <= 85, `${cxr.records} images`);
    assert.deepEqual(seen, seen.toSorted((a, b) => a - b));
    assert.equal(seen.length, 24);
    assert.equal(seen[23], 1);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a folder with files in it, a broken seed and an unusable size are refused before anything is written", async () => {
  await withFederation(8, async (dir) => {
    const before = digest(dir);
    await assert.rejects(() => synthesizeFederation(dir, { seed: 8 }), (error: FedKimError) => {
      assert.equal(error.code, "ConfigError");
      return /not empty/.test(error.message);
    });
    assert.equal(digest(dir), before);
    const fresh = join(dir, "fresh");
    for (const seed of [NaN, 0.5, 2 ** 60]) {
      await assert.rejects(() => synthesizeFederation(fresh, { seed }), /seed/);
    }
    for (const icu of [0, -1, 1.5, NaN, 1e9]) {
      await assert.rejects(
        () => synthesizeFederation(fresh, { seed: 1, patients: { test: { icu } } }),
        /icu/,
      );
    }
    await assert.rejects(() => Deno.stat(fresh), Deno.errors.NotFound);
  });
});

/** Keys of an object, and of the objects in it, as sorted paths; array items count once. */
function shape(value: unknown, path = ""): string[] {
  if (Array.isArray(value)) return value.length > 0 ? shape(value[0], `${path}[]`) : [path];
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([key, item]) => shape(item, `${path}.${key}`)).toSorted();
}

sharedTest(
  "manifests and records have the keys, tasks and columns of the real federation",
  "data/federated",
  async (real) => {
    await withFederation(9, (dir) => {
      for (const set of SET_NAMES) {
        const [ours, theirs] = [dir, real].map((root) =>
          json(join(root, "site-midwest", set, "dataset.json"))
        );
        assert.deepEqual(shape(ours), shape(theirs), set);
        for (
          const field of ["format", "records", "patientField", "name", "privacyUnit", "modalities", "tasks"]
        ) {
          assert.deepEqual(ours[field], theirs[field], `${set} ${field}`);
        }
        const [record, model] = [dir, real].map((root) =>
          lines(join(root, "site-midwest", set, "records.jsonl"))[0]
        );
        assert.deepEqual(Object.keys(record).toSorted(), Object.keys(model).toSorted(), set);
        assert.deepEqual(Object.keys(record.labels).toSorted(), Object.keys(model.labels).toSorted(), set);
      }
      assert.deepEqual(shape(json(join(dir, "federation.json"))), shape(json(join(real, "federation.json"))));
    });
  },
);
