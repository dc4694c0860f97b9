import assert from "node:assert/strict";
import { importDataset } from "../../src/local/import/mod.ts";
import {
  type DatasetRecord,
  loadDataset,
  type TimeseriesValue,
  type VectorValue,
} from "../../src/local/mod.ts";
import { fixture, inFolder, refuses, SET, taskText } from "./_helpers.ts";

type Loose = Record<string, unknown>;

const MAPPING: Loose = {
  format: "fedkim-import-fhir/1",
  ...SET,
  modalities: {
    vitals: {
      kind: "timeseries",
      steps: 2,
      stepSeconds: 3600,
      channels: [
        { name: "heart_rate", codes: ["8867-4"], unit: "/min" },
        { name: "systolic", codes: ["http://loinc.org|8480-6"], unit: "mmHg" },
        { name: "temperature", codes: ["8310-5"], unit: "degF" },
      ],
    },
    labs: {
      kind: "vector",
      channels: [
        { name: "creatinine", codes: ["2160-0"], unit: "umol/L", factors: { "mg/dL": 88.42 } },
        { name: "haemoglobin", codes: ["718-7"], unit: "g/L" },
        { name: "lactate", codes: ["2524-7"], unit: "mmol/L" },
      ],
    },
    note: { kind: "text", template: "{age} years, {gender}, {class}" },
  },
  tasks: [
    { ...taskText("diabetes", "labs"), from: { kind: "condition", codes: ["E11*"] } },
    { ...taskText("died", "vitals"), from: { kind: "discharge", codes: ["exp"] } },
  ],
};

async function importBundles(
  dir: string,
  source: string,
  more: Loose = {},
): Promise<readonly DatasetRecord[]> {
  await Deno.writeTextFile(`${dir}/mapping.json`, JSON.stringify({ ...MAPPING, ...more }));
  const out = `${dir}/out-${crypto.randomUUID()}`;
  await importDataset({ mappingFile: `${dir}/mapping.json`, source, dir: out });
  return (await loadDataset(out)).records;
}

const vector = (record: DatasetRecord, name: string): number[] => {
  return [...(record.values.get(name) as VectorValue | TimeseriesValue).data];
};
const close = (found: number[], expected: number[]): void => {
  assert.equal(found.length, expected.length);
  found.forEach((value, i) => {
    assert.ok(
      Number.isNaN(expected[i]) ? Number.isNaN(value) : Math.abs(value - expected[i]) < 1e-4,
      `${found}`,
    );
  });
};

Deno.test("bundles that carebundle 0.5.0 wrote become stays with vitals, labs and diagnoses", () =>
  inFolder(async (dir) => {
    await Deno.mkdir(`${dir}/in`);
    for (const name of ["healthy-7-0000", "type2_diabetes-42-0000"]) {
      await Deno.copyFile(fixture(`${name}.json.gz`), `${dir}/in/${name}.json.gz`);
    }
    const [healthy, diabetic] = await importBundles(dir, `${dir}/in`);
    assert.equal(healthy.id, "1cf7ba1a-baa1-562d-bc6d-331d77ebaed7");
    assert.equal(healthy.patient, "6d367230-21b3-5816-8d8c-5239028c388f");
    close(vector(healthy, "vitals"), [81, 128, 98.24, NaN, NaN, NaN]);
    close(vector(diabetic, "vitals"), [67, 133, 99.32, NaN, NaN, NaN]);
    close(vector(healthy, "labs"), [0.73 * 88.42, 153, NaN]);
    close(vector(diabetic, "labs"), [0.77 * 88.42, 149, NaN]);
    assert.deepEqual(healthy.values.get("note"), { kind: "text", text: "64 years, female, AMB" });
    assert.deepEqual([healthy.labels.get("diabetes"), diabetic.labels.get("diabetes")], [0, 1]);
    assert.deepEqual([healthy.labels.get("died"), diabetic.labels.get("died")], [null, null]);
  }));

/** A bundle with one stay; further entries are appended. */
function bundle(...further: Loose[]): Loose {
  const entry = (resource: Loose): Loose => ({
    fullUrl: `https://h.example/fhir/${resource.resourceType}/${resource.id}`,
    resource,
  });
  return {
    resourceType: "Bundle",
    type: "collection",
    entry: [
      entry({ resourceType: "Patient", id: "p", birthDate: "1950" }),
      entry({
        resourceType: "Encounter",
        id: "e",
        status: "finished",
        class: { code: "IMP" },
        subject: { reference: "Patient/p" },
        period: { start: "2024-05-01T10:00:00+02:00", end: "2024-05-03T10:00:00+02:00" },
        hospitalization: { dischargeDisposition: { coding: [{ code: "exp" }] } },
      }),
      { resource: { resourceType: "MedicationRequest", id: 5, anything: null } },
      ...further.map(entry),
    ],
  };
}

const observation = (id: string, code: string, value: Loose, more: Loose = {}): Loose => ({
  resourceType: "Observation",
  id,
  status: "final",
  code: { coding: [{ system: "http://loinc.org", code }] },
  subject: { reference: "Patient/p" },
  effectiveDateTime: "2024-05-01T08:30:00Z",
  valueQuantity: value,
  ...more,
});

async function importBundle(dir: string, content: Loose | string, more: Loose = {}): Promise<DatasetRecord> {
  await Deno.writeTextFile(`${dir}/b.json`, typeof content === "string" ? content : JSON.stringify(content));
  return (await importBundles(dir, `${dir}/b.json`, more))[0];
}

Deno.test("observations join a stay by reference or by patient and time; drafts and other stays are left out", () =>
  inFolder(async (dir) => {
    const rate = (id: string, value: number, more: Loose = {}) =>
      observation(id, "8867-4", { value, code: "/min" }, more);
    const record = await importBundle(
      dir,
      bundle(
        rate("a", 80),
        rate("b", 90, { effectiveDateTime: "2024-05-01T09:00:00Z", encounter: { reference: "Encounter/e" } }),
        rate("c", 10, { status: "entered-in-error" }),
        rate("d", 20, { encounter: { reference: "Encounter/other" } }),
        rate("e", 30, { subject: { reference: "Patient/other" } }),
        rate("f", 40, { effectiveDateTime: "2024-04-30T09:00:00Z" }),
        rate("g", 50, { effectiveDateTime: "2024-05" }),
        {
          resourceType: "Condition",
          id: "c",
          code: { coding: [{ code: "E11.9" }] },
          encounter: { reference: "Encounter/e" },
          verificationStatus: { coding: [{ code: "refuted" }] },
        },
      ),
    );
    assert.deepEqual([record.id, record.patient], ["e", "p"]);
    close(vector(record, "vitals"), [80, NaN, NaN, 90, NaN, NaN]);
    assert.deepEqual([record.labels.get("diabetes"), record.labels.get("died")], [0, 1]);
  }));

Deno.test("units that do not convert, bounds and malformed resources are refused with file, resource and element", () =>
  inFolder(async (dir) => {
    const attempt = (value: Loose, ...texts: string[]): Promise<void> =>
      refuses(
        importBundle(dir, bundle(observation("o1", "718-7", value))),
        "DatasetError",
        "b.json",
        ...texts,
      );
    await attempt({ value: 9, code: "mmol/L" }, "Observation o1", "valueQuantity", "mmol/L", "g/L");
    await attempt({ value: 9, code: "g/dL", comparator: "<" }, "Observation o1", "bound");
    await attempt({ code: "g/dL" }, "Observation o1", "no number");
    await attempt({ value: "9", code: "g/dL" }, "entry 3 (Observation)", "valueQuantity.value");
    const lenient = await importBundle(
      dir,
      bundle(observation("o1", "718-7", { value: 9, code: "mmol/L" })),
      { badValues: "missing" },
    );
    assert.equal(lenient.values.get("labs"), null);
    const noStart = bundle();
    ((noStart.entry as Loose[])[1].resource as Loose).period = {};
    await refuses(importBundle(dir, noStart), "DatasetError", "b.json", "Encounter e", "period.start");
    await refuses(importBundle(dir, "{"), "FormatError", "b.json", "no JSON");
    await refuses(importBundle(dir, { resourceType: "Patient" }), "FormatError", "b.json", "a Patient");
    await refuses(importBundle(dir, bundle(), { encounterClasses: ["AMB"] }), "DatasetError", "no record");
  }));
