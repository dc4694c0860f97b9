import {
  decodeFrame,
  decodeImage,
  describePixels,
  importDataset,
  openTable,
  parseDicom,
  parseWfdbAnnotations,
  parseWfdbHeader,
  readWaveform,
} from "../../../src/local/import/mod.ts";
import { dicomFile, imageElements } from "../../../tests/local_import/_dicom_builder.ts";
import { sharedPath } from "../../../tests/_shared.ts";
import { type FuzzTarget, jsonBytes, law, textOf, utf8 } from "../target.ts";
import { asFile, freshPath, scratch } from "./scratch.ts";

const SET = { name: "set", licence: "test", privacyUnit: "patient" };
const TASK = {
  name: "t",
  question: "?",
  description: "d",
  modalities: ["m"],
  modalityDescription: "m",
};
/** Small bounds, so that a large claim is refused before it costs time. */
const LIMITS = { pixels: 1 << 20, samples: 1 << 20, inflatedBytes: 1 << 24, cellsAtOnce: 1 << 20 };

const MAPPINGS: readonly unknown[] = [
  {
    format: "fedkim-import/1",
    ...SET,
    tables: { rows: { file: "rows.csv", key: "id" } },
    recordTable: "rows",
    patientColumn: "patient",
    modalities: {
      m: { kind: "vector", channels: [{ name: "a", column: "a", unit: "g/L", scale: 0.5, range: [0, 60] }] },
      note: { kind: "text", template: "{patient}" },
    },
    tasks: [{ ...TASK, type: "binary", column: "label", map: { yes: 1, no: 0 } }],
  },
  {
    format: "fedkim-import-wfdb/1",
    ...SET,
    windowSeconds: 1,
    sampleRateHz: 100,
    leads: [["I"]],
    tasks: [{ ...TASK, modalities: ["ecg"], beats: { symbols: ["V"] } }],
  },
  {
    format: "fedkim-import-dicom/1",
    ...SET,
    modality: { kind: "image", size: { height: 4, width: 4 } },
    tasks: [],
  },
  {
    format: "fedkim-import-images/1",
    ...SET,
    patientColumn: "patient",
    size: { height: 4, width: 4 },
    table: { file: "rows.csv", key: "id" },
    tasks: [],
  },
  {
    format: "fedkim-import-fhir/1",
    ...SET,
    modalities: { m: { kind: "vector", channels: [{ name: "a", codes: ["1-1"], unit: "mmol/L" }] } },
    tasks: [{ ...TASK, from: { kind: "condition", codes: ["E11*"] } }],
  },
];

const BUNDLE = {
  resourceType: "Bundle",
  type: "collection",
  entry: [
    {
      fullUrl: "https://h.example/fhir/Patient/p",
      resource: { resourceType: "Patient", id: "p", birthDate: "1950" },
    },
    {
      fullUrl: "https://h.example/fhir/Encounter/e",
      resource: {
        resourceType: "Encounter",
        id: "e",
        status: "finished",
        class: { code: "IMP" },
        subject: { reference: "Patient/p" },
        period: { start: "2024-05-01T10:00:00+02:00", end: "2024-05-03T10:00:00+02:00" },
      },
    },
    {
      fullUrl: "https://h.example/fhir/Observation/o",
      resource: {
        resourceType: "Observation",
        id: "o",
        status: "final",
        code: { coding: [{ system: "http://loinc.org", code: "1-1" }] },
        subject: { reference: "Patient/p" },
        encounter: { reference: "Encounter/e" },
        effectiveDateTime: "2024-05-01T11:00:00+02:00",
        valueQuantity: { value: 1.5, code: "mmol/L" },
      },
    },
  ],
};

/** Runs a whole import of one mapping and removes what it wrote. */
async function imports(mappingFile: string, source?: string): Promise<void> {
  const dir = freshPath();
  try {
    await importDataset({ mappingFile, dir, limits: LIMITS, ...(source === undefined ? {} : { source }) });
  } finally {
    await Deno.remove(dir, { recursive: true }).catch(() => {});
  }
}

async function fixtures(...names: readonly string[]): Promise<Uint8Array[]> {
  const folder = new URL("../../../tests/local_import/fixtures/", import.meta.url);
  return await Promise.all(names.map((name) => Deno.readFile(new URL(name, folder))));
}

/** Hospital files: their mappings and the sources themselves. */
export const IMPORT_TARGETS: readonly FuzzTarget[] = [
  {
    name: "import_mapping",
    kind: "json",
    seeds: () => {
      asFile("rows.csv", utf8("id,patient,a,label\n1,p,2.5,yes\n"));
      return Promise.resolve(MAPPINGS.map(jsonBytes));
    },
    parse: async (input) => await imports(asFile("mapping.json", input), scratch()),
  },
  {
    name: "import_mapping_toml",
    kind: "text",
    words: ["[[tasks]]", "[modalities.m]", "= {", "'''", '"""', "1979-05-27", "0x", "inf", "nan"],
    seeds: () => {
      asFile("rows.csv", utf8("id,patient,a,label\n1,p,2.5,yes\n"));
      return Promise.resolve([utf8(
        'format = "fedkim-import-images/1"\nname = "set"\nlicence = "x"\nprivacyUnit = "patient"\n' +
          'patientColumn = "patient"\nsize = { height = 4, width = 4 }\ntable = { file = "rows.csv", key = "id" }\n',
      )]);
    },
    parse: async (input) => await imports(asFile("mapping.toml", input), scratch()),
  },
  {
    name: "csv",
    kind: "text",
    words: ['"', '""', ",", "\r", "\ufeff"],
    seeds: () => Promise.resolve([utf8('id,a,b\r\n1,"x ""y""",2\r\n2,,\n')]),
    parse: async (input) => {
      const table = await openTable(asFile("rows.csv", input));
      for await (const { cells } of table.rows([...table.columns])) {
        law(cells.length === table.columns.length, "cells");
      }
    },
  },
  {
    name: "parquet",
    kind: "bytes",
    foreign: true,
    seeds: async () => {
      const path = sharedPath("data/raw/parquet/outc.parquet");
      return [path === undefined ? utf8("PAR1....PAR1") : await Deno.readFile(path)];
    },
    parse: async (input) => {
      const table = await openTable(asFile("rows.parquet", input), undefined, LIMITS);
      for await (const { cells } of table.rows([...table.columns])) {
        law(cells.length === table.columns.length, "cells");
      }
    },
  },
  {
    name: "wfdb_header",
    kind: "text",
    words: ["212x1", "16:0+0", "(0)/mV", "/2", "#", "1e9", "..", "/"],
    seeds: () =>
      Promise.resolve([
        utf8(
          "100 2 360 650\n100.dat 212 200(0)/mV 11 1024 995 -22131 0 MLII\n100.dat 212 200 11 1024 1011 20052 0 V5\n",
        ),
      ]),
    parse: (input) => parseWfdbHeader(textOf(input), "input.hea"),
  },
  {
    name: "wfdb_annotations",
    kind: "bytes",
    seeds: () =>
      Promise.resolve([Uint8Array.of(5, 4, 1, 112, 2, 252, 78, 0, 0, 236, 1, 0, 1, 0, 9, 4, 0, 0)]),
    parse: (input) => {
      for (const { sample } of parseWfdbAnnotations(input, "input.atr")) {
        law(Number.isSafeInteger(sample) && sample >= 0, "an annotation before the record");
      }
    },
  },
  {
    name: "wfdb_record",
    kind: "bytes",
    seeds: () => {
      asFile("map.json", jsonBytes(MAPPINGS[1]));
      return Promise.resolve([utf8("r 1 100 200\nr.dat 16 200/mV 11 0 0 0 0 I\n\u0000")]);
    },
    parse: async (input) => {
      // Header, a zero byte, samples.
      const end = input.indexOf(0) < 0 ? input.length : input.indexOf(0);
      asFile("r.dat", input.length - end > 10 ? input.subarray(end + 1) : new Uint8Array(400));
      asFile("r.atr", Uint8Array.of(5, 4, 0, 0));
      await imports(`${scratch()}/map.json`, asFile("r.hea", input.subarray(0, end)));
    },
  },
  {
    name: "dicom",
    kind: "bytes",
    words: ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "RGB", "PALETTE COLOR"],
    seeds: () => {
      const pixels = [1, 2, 3, 4, 5, 6];
      return Promise.resolve([
        dicomFile(imageElements(2, 3, pixels)),
        dicomFile(imageElements(2, 3, pixels, ["00280008", "IS", "1"]), "1.2.840.10008.1.2.5"),
      ]);
    },
    parse: async (input) => {
      const object = parseDicom(input as Uint8Array<ArrayBuffer>, "input.dcm");
      const pixels = describePixels(object);
      if (pixels.rows * pixels.columns < LIMITS.pixels) await decodeFrame(object, pixels, 0);
      if (object.items("x54000100").length > 0) readWaveform(object, ["I"], "uV");
    },
  },
  {
    name: "png_jpeg_npy_image",
    kind: "bytes",
    words: ["IHDR", "PLTE", "IDAT", "IEND", "tRNS"],
    seeds: () => fixtures("bit1.png", "g8.png", "pal4.png", "g16.png", "numpy8.npy", "rgb.jpg"),
    parse: async (input) => await decodeImage(input as Uint8Array<ArrayBuffer>, "input.png", LIMITS),
  },
  {
    name: "fhir_bundle",
    kind: "json",
    seeds: () => {
      asFile("map.json", jsonBytes(MAPPINGS[4]));
      return Promise.resolve([jsonBytes(BUNDLE)]);
    },
    parse: async (input) => await imports(`${scratch()}/map.json`, asFile("bundle.json", input)),
  },
];
