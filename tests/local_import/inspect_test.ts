import assert from "node:assert/strict";
import {
  formatInspection,
  importDataset,
  type ImportWarning,
  inspectDataset,
  inspectParts,
  partOf,
  unitConversion,
  writeDataset,
} from "../../src/local/import/mod.ts";
import type { DatasetManifest, ModalityValue } from "../../src/local/mod.ts";
import { sharedTest } from "../_shared.ts";
import { inFolder, refuses, SET, taskText, throwsTyped } from "./_helpers.ts";

const MANIFEST: DatasetManifest = {
  format: "fedkim-dataset/1",
  ...SET,
  records: "records.jsonl",
  patientField: "patient",
  citation: "none",
  modalities: {
    vitals: {
      kind: "vector",
      field: "vitals",
      channels: ["temperature", "spo2", "heart_rate", "constant", "empty"],
      units: ["degC", "%", "/min", "", ""],
    },
    note: { kind: "text", field: "note" },
    ecg: { kind: "signal", field: "ecg", array: "ecg.npy", sampleRateHz: 100, unit: "uV", leads: 1 },
  },
  tasks: [
    { ...taskText("died", "vitals"), type: "binary", label: "labels.died", role: "train" },
    {
      ...taskText("grade", "vitals"),
      type: "multiclass",
      classes: ["low", "high"],
      label: "labels.grade",
      role: "unseen",
    },
  ] as never,
};

interface Row {
  readonly patient?: string;
  readonly vitals?: readonly number[];
  readonly note?: string;
  readonly died?: number | null;
  readonly attributes?: Record<string, string | number>;
}

async function write(dir: string, rows: readonly Row[]): Promise<void> {
  await writeDataset(dir, MANIFEST, "test", (writer) => {
    rows.forEach((row, i) => {
      const data = Float32Array.from(row.vitals ?? [37, 97, 80, 1, NaN]);
      const values: Record<string, ModalityValue> = { vitals: { kind: "vector", data } };
      if (row.note !== undefined) values.note = { kind: "text", text: row.note };
      const labels = { died: row.died === undefined ? i % 2 : row.died };
      writer.write({
        id: `r${i}`,
        patient: row.patient ?? `p${i}`,
        values,
        labels,
        attributes: row.attributes ?? {},
      });
    });
    return Promise.resolve();
  });
}

const named = (warnings: readonly ImportWarning[]): string[] =>
  warnings.map(({ code, where }) => `${code} ${where}`).sort();

Deno.test("inspectDataset() counts records, patients, missing values and labels", () =>
  inFolder(async (dir) => {
    await write(`${dir}/d`, [
      { patient: "p0", note: "stable" },
      { patient: "p0", vitals: [38, NaN, 90, 1, NaN], died: null },
      { patient: "p1", vitals: [36, 99, 70, 1, NaN] },
    ]);
    const found = await inspectDataset(`${dir}/d`);
    assert.deepEqual([found.records, found.patients, found.recordsPerPatient], [3, 2, [1, 2, 2]]);
    const [vitals, note, ecg] = found.modalities;
    assert.deepEqual([vitals.present, note.present, note.missing, ecg.missing], [3, 1, 2, 3]);
    const [temperature, saturation, , , empty] = vitals.channels;
    assert.deepEqual([temperature.min, temperature.median, temperature.max, temperature.mean], [
      36,
      37,
      38,
      37,
    ]);
    assert.ok(Math.abs(saturation.missing - 1 / 3) < 1e-12);
    assert.deepEqual(empty, { name: "empty", unit: "", count: 0, missing: 1 });
    assert.deepEqual(found.tasks.map(({ labelled, balance }) => [labelled, balance]), [[2, {
      "0": 2,
      "1": 0,
    }], [0, { low: 0, high: 0 }]]);
    assert.deepEqual(named(found.warnings), [
      "all_missing ecg",
      "all_missing vitals.empty",
      "constant_channel vitals.constant",
      "no_label grade",
      "one_class died",
    ]);
    const text = formatInspection(found);
    for (const part of ["3 records of 2 patients", "33.3 % missing", "median 37", "█", "one_class: died"]) {
      assert.ok(text.includes(part), part);
    }
  }));

Deno.test("inspectDataset() sees Fahrenheit called Celsius, saturations above 100 and fractions called percent", () =>
  inFolder(async (dir) => {
    const rows = (vitals: number[]): Row[] => Array.from({ length: 4 }, () => ({ vitals }));
    const units = async (name: string, content: readonly Row[]): Promise<[string, string][]> => {
      await write(`${dir}/${name}`, content);
      const { warnings } = await inspectDataset(`${dir}/${name}`);
      return warnings.filter(({ code }) => code === "unit_suspicious" || code === "value_out_of_range").map((
        { where, message },
      ) => [where, message]);
    };
    const [[where, message]] = (await units("f", rows([98.4, 97, 80, 1, 1]))).filter(([, text]) =>
      text.includes("degF")
    );
    assert.equal(where, "vitals.temperature");
    assert.match(message, /median of 98.4 is not a temperature in degC; it fits degF/);
    assert.match(
      (await units("s", rows([37, 0.97, 80, 1, 1])))[0][1],
      /oxygen saturation in %; it fits fraction/,
    );
    assert.deepEqual(await units("h", [...rows([37, 97, 80, 1, 1]), { vitals: [37, 104, 80, 1, 1] }]), [
      ["vitals.spo2", "values outside 0 to 100 are impossible in this unit"],
    ]);
    assert.deepEqual(await units("ok", rows([37, 97, 80, 1, 1])), []);
  }));

Deno.test("inspectDataset() warns of names, record numbers and dates of birth, and shows none of them", () =>
  inFolder(async (dir) => {
    await write(`${dir}/d`, [
      { note: "Mrs. Miller, DOB 03/04/1951, MRN: 0048213", patient: "Miller^Anna" },
      { note: "seen on 2023-11-02, call (555) 123-4567", patient: "00482139" },
      { attributes: { birth_date: "1951-04-03", age: 93, ward: "m.miller@clinic.org" } },
      { note: "Mr heart failure, stage 3-4, 120/80 mmHg, K 4.5", attributes: { age: 60, ward: "ICU 2" } },
    ]);
    const inspection = await inspectDataset(`${dir}/d`);
    const found = named(inspection.warnings.filter(({ code }) => code.startsWith("identifying")));
    assert.deepEqual(found, [
      "identifying_field age",
      "identifying_field birth_date",
      "identifying_patient patient",
      "identifying_text note (a calendar date)",
      "identifying_text note (a date of birth)",
      "identifying_text note (a medical record number)",
      "identifying_text note (a person's name)",
      "identifying_text note (a telephone number)",
      "identifying_text ward (an e-mail address)",
    ]);
    assert.ok(!/Miller|0048213|1951|555/.test(formatInspection(inspection)));
  }));

Deno.test("inspectParts() finds patients and records that two parts share", () =>
  inFolder(async (dir) => {
    await write(`${dir}/train/a`, [{ patient: "x" }, { patient: "y" }]);
    await write(`${dir}/test/a`, [{ patient: "z" }, { patient: "y" }, { patient: "w" }]);
    await write(`${dir}/other`, [{ patient: "v" }]);
    const parts = await Promise.all(["train", "test", "other"].map((name) => partOf(`${dir}/${name}`)));
    assert.deepEqual(parts.map(({ dirs }) => dirs.length), [1, 1, 1]);
    const found = await inspectParts(parts.slice(0, 2));
    assert.deepEqual(found.map(({ code, where, count }) => [code, where, count]), [
      ["record_in_several_parts", "train and test", 2],
      ["patient_in_several_parts", "train and test", 1],
    ]);
    assert.deepEqual(named(await inspectParts([parts[0], parts[2]])), [
      "record_in_several_parts train and other",
    ]);
  }));

Deno.test("a dataset folder is written whole or not at all, and never over another", () =>
  inFolder(async (dir) => {
    await write(`${dir}/d`, [{}]);
    await refuses(write(`${dir}/d`, [{}]), "DatasetError", "exists already");
    await refuses(write(`${dir}/e`, [{ patient: "" }]), "DatasetError", "empty identifier");
    await refuses(write(`${dir}/e`, []), "DatasetError", "no record");
    const twice = (writer: Parameters<Parameters<typeof writeDataset>[3]>[0]): Promise<void> => {
      for (let i = 0; i < 2; i++) writer.write({ id: "r", patient: "p", values: {}, labels: {} });
      return Promise.resolve();
    };
    await refuses(writeDataset(`${dir}/e`, MANIFEST, "test", twice), "DatasetError", "record r twice");
    const lengths = (writer: Parameters<Parameters<typeof writeDataset>[3]>[0]): Promise<void> => {
      for (const samples of [5, 6]) {
        const ecg = {
          kind: "signal",
          samples,
          leads: 1,
          sampleRateHz: 100,
          data: new Int16Array(samples),
        } as const;
        writer.write({ id: `r${samples}`, patient: "p", values: { ecg }, labels: {} });
      }
      return Promise.resolve();
    };
    await refuses(writeDataset(`${dir}/e`, MANIFEST, "test", lengths), "DatasetError", "different shapes");
    assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name), ["d"]);
  }));

Deno.test("importDataset() refuses mappings of other formats and keys that are too short", () =>
  inFolder(async (dir) => {
    const attempt = async (text: string, name = "m.json", key?: Uint8Array): Promise<unknown> => {
      await Deno.writeTextFile(`${dir}/${name}`, text);
      return await importDataset({ mappingFile: `${dir}/${name}`, dir: `${dir}/out`, pseudonymKey: key });
    };
    await refuses(attempt("{"), "ConfigError", "m.json");
    await refuses(attempt("a = = 1", "m.toml"), "ConfigError", "m.toml");
    await refuses(attempt('{"format":"fedkim-import/2"}'), "ConfigError", "fedkim-import/2");
    const wfdb = {
      format: "fedkim-import-wfdb/1",
      ...SET,
      leads: [["II"]],
      windowSeconds: 1,
      sampleRateHz: 100,
    };
    await refuses(attempt(JSON.stringify(wfdb), "m.json", new Uint8Array(8)), "ConfigError", "8 bytes");
    await throwsTyped(
      () => importDataset({ mappingFile: `${dir}/none.json`, dir }),
      "DatasetError",
      "none.json",
    );
  }));

Deno.test("unitConversion() is exact where units convert and silent where they do not", () => {
  const convert = (value: number, from: string, to: string): number =>
    Number((unitConversion(from, to)?.(value) ?? NaN).toFixed(6));
  assert.equal(convert(98.6, "[degF]", "Cel"), 37);
  assert.equal(convert(310.15, "K", "degF"), 98.6);
  assert.equal(convert(16, "kPa", "mm[Hg]"), 120.009852);
  assert.equal(convert(0.97, "1", "%"), 97);
  assert.equal(convert(1.2, "Hz", "/min"), 72);
  assert.equal(convert(2, "mV", "uV"), 2000);
  assert.equal(convert(90, "mg/dL", "g/L"), 0.9);
  assert.equal(unitConversion("mg/dL", "mmol/L"), undefined);
  assert.equal(unitConversion("degC", "mmHg"), undefined);
});

sharedTest(
  "the shared federation has no patient in two parts, and its folders pass the inspection",
  "data/federated",
  async (root) => {
    const names = ["site-midwest", "site-south", "site-west", "site-northeast", "public", "test"];
    const parts = await Promise.all(names.map((name) => partOf(`${root}/${name}`)));
    assert.deepEqual(await inspectParts(parts), []);
    const ecg = await inspectDataset(`${root}/site-west/ecg`);
    assert.deepEqual([ecg.records, ecg.patients], [720, 7]);
    assert.deepEqual(ecg.warnings, []);
    const icu = await inspectDataset(`${root}/site-west/icu`);
    assert.equal(icu.warnings.filter(({ code }) => code.startsWith("unit")).length, 0);
  },
);
