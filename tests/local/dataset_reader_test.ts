import assert from "node:assert/strict";
import { join } from "node:path";
import { writeNpy } from "../../src/formats/npy.ts";
import { describeSite, loadDataset, loadFederationPart, readFederation } from "../../src/local/mod.ts";
import { sharedTest } from "../_shared.ts";

const MANIFEST = {
  format: "fedkim-dataset/1",
  name: "mix",
  records: "records.jsonl",
  patientField: "patient",
  privacyUnit: "patient",
  modalities: {
    vitals: { kind: "timeseries", field: "vitals", steps: 2, stepSeconds: 60, channels: ["hr", "bp"] },
    labs: { kind: "vector", field: "labs", channels: ["na"] },
    image: { kind: "image", field: "image", array: "images.npy", channels: 1 },
    question: { kind: "text", field: "question" },
  },
  tasks: [{
    name: "yes",
    type: "binary",
    label: "labels.yes",
    question: "{question} {age}",
    description: "T",
    modalities: ["image"],
    modalityDescription: "M",
    role: "train",
  }],
};
const RECORD = {
  id: "1",
  patient: "p",
  age: 7,
  vitals: [[1, null], [3, 4]],
  labs: [null],
  image: 1,
  question: "why?",
  labels: { yes: 1 },
};
const IMAGES = writeNpy({ shape: [2, 2, 3], data: Uint8Array.from({ length: 12 }, (_, i) => i) });

interface Files {
  readonly manifest?: string;
  readonly lines?: readonly string[];
  readonly images?: Uint8Array;
}

async function inFolder(files: Files, body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(dir, "dataset.json"), files.manifest ?? JSON.stringify(MANIFEST));
    await Deno.writeTextFile(
      join(dir, "records.jsonl"),
      (files.lines ?? [JSON.stringify(RECORD)]).join("\n"),
    );
    await Deno.writeFile(join(dir, "images.npy"), files.images ?? IMAGES);
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("loadDataset() reads every kind of value, null as missing, and fills in the question", async () => {
  await inFolder({}, async (dir) => {
    const { records: [record] } = await loadDataset(dir);
    const vitals = record.values.get("vitals");
    assert.ok(vitals?.kind === "timeseries");
    assert.deepEqual([...vitals.data], [1, NaN, 3, 4]);
    const image = record.values.get("image");
    assert.ok(image?.kind === "image");
    assert.deepEqual([image.height, image.width, ...image.data], [2, 3, 6, 7, 8, 9, 10, 11]);
    assert.equal(record.labels.get("yes"), 1);
    assert.equal(record.questions.get("yes"), "why? 7");
  });
});

Deno.test("loadDataset() names file, line, record and field of a wrong value and never shows the value", async () => {
  const secret = "SECRET-NAME";
  const cases: [object, RegExp][] = [
    [{ vitals: [[1, 2]] }, /vitals.*1 steps/],
    [{ vitals: [[1, 2], [secret, 4]] }, /vitals\[1\]\[0\]/],
    [{ labs: [1, 2] }, /labs.*2 entries/],
    [{ image: 2 }, /image.*row 2/],
    [{ image: 0.5 }, /image/],
    [{ question: 4 }, /question/],
    [{ labels: { yes: secret } }, /labels\.yes/],
    [{ patient: "" }, /patient/],
    [{ id: undefined }, /field id/],
  ];
  for (const [change, message] of cases) {
    const bad = JSON.stringify({ ...RECORD, id: "2", ...change });
    await inFolder({ lines: [JSON.stringify(RECORD), bad] }, async (dir) => {
      await assert.rejects(loadDataset(dir), (error) => {
        const { code, message: text } = error as { code: string; message: string };
        assert.equal(code, "DatasetError");
        assert.match(text, message);
        assert.match(text, /records\.jsonl, line 2/);
        assert.ok(!text.includes(secret));
        return true;
      });
    });
  }
});

Deno.test("loadDataset() refuses numbers that overflow, lines that are no objects and identifiers used twice", async () => {
  const line = JSON.stringify(RECORD);
  for (
    const lines of [[line.replace("[null]", "[1e999]")], [line.replace("[null]", "[1e39]")], ["[1]"], ["{"], [
      line,
      line,
    ]]
  ) {
    await inFolder({ lines }, (dir) => assert.rejects(loadDataset(dir), { code: "DatasetError" }));
  }
});

Deno.test("loadDataset() refuses an array that is cut short, of another type or of another rank", async () => {
  const other = writeNpy({ shape: [2, 2, 3], data: new Int16Array(12) });
  const flat = writeNpy({ shape: [12], data: new Uint8Array(12) });
  await inFolder(
    { images: IMAGES.subarray(0, 130) },
    (dir) => assert.rejects(loadDataset(dir), { code: "FormatError" }),
  );
  for (const images of [other, flat]) {
    await inFolder({ images }, (dir) => assert.rejects(loadDataset(dir), { code: "DatasetError" }));
  }
});

Deno.test("a missing folder, an empty folder and a missing manifest each say what is needed", async () => {
  await assert.rejects(loadFederationPart("/nowhere/at/all"), { code: "DatasetError" });
  await assert.rejects(readFederation("/nowhere/at/all"), /federation\.json.*What to do/);
  const dir = await Deno.makeTempDir();
  await assert.rejects(loadFederationPart(dir), /holds no dataset/);
  await Deno.remove(dir);
});

sharedTest(
  "loadFederationPart() counts the public part as its README does",
  "data/federated",
  async (path) => {
    const folders = await readFederation(path);
    assert.equal(folders.sites.length, 4);
    const described = describeSite(await loadFederationPart(folders.public));
    const counts = described.map((
      { name, records, units, largestUnit },
    ) => [name, records, units, largestUnit]);
    // Counted with Python from records.jsonl.
    assert.deepEqual(counts, [["cxr", 116, 88, 6], ["ecg", 720, 720, 1], ["icu", 233, 179, 6], [
      "vqa",
      714,
      61,
      17,
    ]]);
    assert.deepEqual(described[0].tasks.cxr_pneumonia, { labelled: 116, positives: 63 });
  },
);
