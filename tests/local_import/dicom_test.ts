import assert from "node:assert/strict";
import {
  decodeFrame,
  describePixels,
  importDataset,
  parseDicom,
  readWaveform,
  renderFrame,
} from "../../src/local/import/mod.ts";
import { type ImageValue, loadDataset, type SignalValue } from "../../src/local/mod.ts";
import { sharedTest } from "../_shared.ts";
import { dicomFile, type Element, imageElements } from "./_dicom_builder.ts";
import { fixture, inFolder, refuses, SET, taskText, throwsTyped, total } from "./_helpers.ts";

const RAW = "data/raw/dicom";

async function stored(bytes: Uint8Array): Promise<number[]> {
  const object = parseDicom(bytes, "test.dcm");
  return [...(await decodeFrame(object, describePixels(object), 0)).values];
}

async function grey(bytes: Uint8Array): Promise<number[]> {
  return [...(await renderFrame(parseDicom(bytes, "test.dcm"), 0)).data];
}

/** File, smallest, largest and sum of the stored values: pydicom 3.0.2 (its decoded pixels of 12-bit JPEG: libjpeg). */
const SYNTAXES: readonly (readonly [string, string, number, number, number])[] = [
  ["little endian", "CT_small.dcm", 128, 2191, 14826310],
  ["little endian", "MR_small.dcm", 127, 2145, 2125338],
  ["big endian", "MR_small_bigendian.dcm", 127, 2145, 2125338],
  ["RLE", "MR_small_RLE.dcm", 127, 2145, 2125338],
  ["JPEG-LS", "MR_small_jpeg_ls_lossless.dcm", 127, 2145, 2125338],
  ["JPEG 2000", "MR_small_jp2klossless.dcm", 127, 2145, 2125338],
  ["one bit", "liver_1frame.dcm", 0, 1, 36233],
  ["palette", "examples_palette.dcm", 0, 255, 15024554],
];

for (const [syntax, name, least, most, sum] of SYNTAXES) {
  sharedTest(
    `DICOM ${syntax}: the stored values of ${name} are pydicom's`,
    `${RAW}/${name}`,
    async (path) => {
      const values = await stored(await Deno.readFile(path));
      const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [
        Infinity,
        -Infinity,
      ]);
      assert.deepEqual([low, high, total(values)], [least, most, sum]);
    },
  );
}

sharedTest(
  "DICOM JPEG with 12 bits agrees with libjpeg-turbo within rounding",
  `${RAW}/JPEG-lossy.dcm`,
  async (path) => {
    const values = await stored(await Deno.readFile(path));
    assert.equal(values.length, 1024 * 256);
    const at = 500 * 256 + 100;
    assert.deepEqual(values.slice(at, at + 10), [31, 28, 24, 21, 24, 23, 23, 22, 22, 21]);
    // imagecodecs (libjpeg-turbo 12 bit): 3767007; decoders may differ by one per coefficient.
    assert.ok(Math.abs(total(values) - 3767007) < 1000);
  },
);

sharedTest("DICOM windows and palettes give the greys of pydicom", RAW, async (raw) => {
  const sum = async (name: string): Promise<number> =>
    total(await grey(await Deno.readFile(`${raw}/${name}`)));
  // apply_voi_lut and apply_color_lut of pydicom 3.0.2, scaled to 255 and rounded.
  assert.equal(await sum("MR_small.dcm"), 463120);
  assert.equal(await sum("MR_small_jp2klossless.dcm"), 463120);
  assert.equal(await sum("examples_palette.dcm"), 5434326);
});

sharedTest("damaged DICOM files are refused by name", RAW, async (raw) => {
  const attempt = async (
    name: string,
    code: "FormatError" | "DatasetError",
    ...texts: string[]
  ): Promise<void> => {
    const bytes = await Deno.readFile(`${raw}/${name}`);
    await throwsTyped(() => renderFrame(parseDicom(bytes, name), 0), code, name, ...texts);
  };
  await attempt("MR_truncated.dcm", "FormatError");
  await attempt("no_meta.dcm", "FormatError", "no DICM");
  await attempt("badVR.dcm", "DatasetError", "(0028,0008)");
  await attempt("waveform_ecg.dcm", "DatasetError", "Rows");
  for (
    const name of [
      "MR_small_RLE.dcm",
      "MR_small_jpeg_ls_lossless.dcm",
      "MR_small_jp2klossless.dcm",
      "JPEG-lossy.dcm",
    ]
  ) {
    const whole = await Deno.readFile(`${raw}/${name}`);
    for (const length of [140, 1000, whole.length - 2000, whole.length - 20]) {
      const cut = whole.slice(0, length);
      await throwsTyped(
        () => renderFrame(parseDicom(cut, name), 0),
        "FormatError",
        name,
      );
    }
  }
});

sharedTest(
  "a 12-lead ECG object gives physical values and becomes a signal",
  `${RAW}/waveform_ecg.dcm`,
  (path) =>
    inFolder(async (dir) => {
      const object = parseDicom(await Deno.readFile(path), "ecg.dcm");
      const waveform = readWaveform(object, ["I", "II", "III"], "uV");
      assert.deepEqual([waveform.sampleRateHz, waveform.length], [1000, 10000]);
      assert.deepEqual(waveform.names, [
        "I",
        "II",
        "III",
        "aVR",
        "aVL",
        "aVF",
        "V1",
        "V2",
        "V3",
        "V4",
        "V5",
        "V6",
      ]);
      // waveform_array(0)[:3, :3] of pydicom 3.0.2.
      assert.deepEqual(waveform.leads.map((read) => [...read(0, 3)]), [[100, 81.25, 62.5], [
        112.5,
        106.25,
        100,
      ], [12.5, 25, 37.5]]);
      await throwsTyped(() => readWaveform(object, ["V9"], "uV"), "DatasetError", "lead V9");
      await throwsTyped(() => readWaveform(object, ["I"], "mmHg"), "DatasetError", "lead I", "uV");
      const mapping = {
        format: "fedkim-import-dicom/1",
        ...SET,
        modality: { kind: "signal", leads: ["I", "V1"], seconds: 10, sampleRateHz: 100 },
      };
      await Deno.writeTextFile(`${dir}/m.json`, JSON.stringify(mapping));
      const report = await importDataset({ mappingFile: `${dir}/m.json`, source: path, dir: `${dir}/out` });
      assert.ok(
        report.warnings.some(({ code, where }) => code === "identifying_tag" && where === "PatientBirthDate"),
      );
      const [record] = (await loadDataset(`${dir}/out`)).records;
      assert.equal(record.patient, "642341");
      const { samples, leads, data } = record.values.get("ecg") as SignalValue;
      assert.deepEqual([samples, leads, data.length], [1000, 2, 2000]);
      assert.ok(!(await Deno.readTextFile(`${dir}/out/records.jsonl`)).includes("1971"));
    }),
);

sharedTest(
  "a folder of DICOM images becomes a dataset with labels and warnings",
  RAW,
  (raw) =>
    inFolder(async (dir) => {
      await Deno.mkdir(`${dir}/in`);
      for (const name of ["CT_small.dcm", "examples_palette.dcm", "MR_truncated.dcm", "LICENSE"]) {
        await Deno.copyFile(`${raw}/${name}`, `${dir}/in/${name}`);
      }
      await Deno.writeTextFile(`${dir}/labels.csv`, "file,finding\nCT_small.dcm,yes\n");
      const mapping = {
        format: "fedkim-import-dicom/1",
        ...SET,
        modality: { kind: "image", size: { height: 64, width: 64 } },
        labels: { table: { file: "labels.csv", key: "file" }, by: "file" },
        tasks: [{
          ...taskText("finding", "image"),
          type: "binary",
          column: "finding",
          map: { yes: 1, no: 0 },
        }],
      };
      const run = async (more: object, key?: Uint8Array) => {
        await Deno.writeTextFile(`${dir}/m.json`, JSON.stringify({ ...mapping, ...more }));
        const request = { mappingFile: `${dir}/m.json`, source: `${dir}/in`, dir: `${dir}/out` };
        return await importDataset(key === undefined ? request : { ...request, pseudonymKey: key });
      };
      await refuses(run({}), "FormatError", "MR_truncated.dcm");
      const { records: count, warnings } = await run({ damaged: "skip" }, new Uint8Array(16).fill(7));
      assert.equal(count, 2);
      const found = new Map(warnings.map(({ code, where, count }) => [`${code} ${where}`, count]));
      assert.equal(found.get("record_skipped damaged"), 1);
      assert.equal(found.get("record_skipped other files"), 1);
      assert.equal(found.get("burned_in_annotation_unknown BurnedInAnnotation"), 1);
      assert.equal(found.get("identifying_tag PatientName"), 2);
      assert.equal(found.get("no_label label table"), 1);
      const { records } = await loadDataset(`${dir}/out`);
      assert.deepEqual(records.map(({ labels }) => labels.get("finding")), [1, null]);
      assert.ok(
        records.every(({ id, patient }) => /^[0-9a-f]{24}$/.test(id) && /^[0-9a-f]{24}$/.test(patient)),
      );
      const image = records[0].values.get("image") as ImageValue;
      assert.deepEqual([image.height, image.width, Math.max(...image.data) > 150], [64, 64, true]);
    }),
);

const RAMP = [0, 1000, 2000, 4095];

Deno.test("MONOCHROME1 is inverted, windows follow PS3.3 C.11.2.1.2, and tables come before windows", async () => {
  const image = (...further: Element[]): Uint8Array => dicomFile(imageElements(2, 2, RAMP, ...further));
  assert.deepEqual(await grey(image()), [0, 62, 125, 255]);
  assert.deepEqual(await grey(image(["00280004", "CS", "MONOCHROME1"])), [255, 193, 130, 0]);
  const window: Element[] = [["00281050", "DS", "1000"], ["00281051", "DS", "2000"]];
  assert.deepEqual(await grey(image(...window)), [0, 128, 255, 255]);
  const exact: Element = ["00281056", "CS", "LINEAR_EXACT"];
  assert.deepEqual(await grey(image(...window, exact)), [0, 128, 255, 255]);
  const rescale: Element[] = [["00281052", "DS", "-1000"], ["00281053", "DS", "2"]];
  assert.deepEqual(await grey(image(...rescale, ["00281050", "DS", "0"], ["00281051", "DS", "4001"])), [
    64,
    191,
    255,
    255,
  ]);
  const lut: Element = ["00283010", "SQ", {
    items: [[["00283002", "US", [2, 1000, 8]], ["00283006", "OW", [255, 51]]]],
  }];
  assert.deepEqual(await grey(image(lut, ...window)), [255, 255, 51, 51]);
  const padding: Element = ["00280120", "US", [4095]];
  assert.deepEqual(await grey(image(padding)), [0, 128, 255, 0]);
  await throwsTyped(() => grey(image(window[0], ["00281051", "DS", "0"])), "DatasetError", "WindowWidth");
});

Deno.test("stored values: high bits, signs, planes and runs", async () => {
  const shifted = imageElements(1, 2, [0xabcf, 0x123f], ["00280102", "US", [15]]);
  assert.deepEqual(await stored(dicomFile(shifted)), [0xabc, 0x123]);
  const signed = imageElements(1, 2, [0x0fff, 0x07ff], ["00280103", "US", [1]]);
  assert.deepEqual(await stored(dicomFile(signed)), [-1, 2047]);
  const colour: Element[] = [
    ["00280002", "US", [3]],
    ["00280004", "CS", "RGB"],
    ["00280006", "US", [1]],
    ["00280100", "US", [8]],
    ["00280101", "US", [8]],
    ["00280102", "US", [7]],
  ];
  const planes = imageElements(1, 2, Uint8Array.of(1, 2, 3, 4, 5, 6), ...colour);
  assert.deepEqual(await stored(dicomFile(planes)), [1, 3, 5, 2, 4, 6]);
  const header = new Uint8Array(64);
  header.set([2, 0, 0, 0, 64, 0, 0, 0, 66, 0, 0, 0]);
  // High bytes: three times 1; low bytes: a literal run of 2, 3, 4.
  const rle = Uint8Array.from([...header, 254, 1, 2, 2, 3, 4]);
  const frame = imageElements(1, 3, { fragments: [rle] });
  assert.deepEqual(await stored(dicomFile(frame, "1.2.840.10008.1.2.5")), [0x102, 0x103, 0x104]);
  const short = imageElements(1, 3, { fragments: [rle.subarray(0, 67)] });
  await throwsTyped(() => stored(dicomFile(short, "1.2.840.10008.1.2.5")), "FormatError", "RLE");
});

sharedTest(
  "DICOM JPEG lossless gives the pixels that imagecodecs wrote",
  `${RAW}/MR_small.dcm`,
  async (path) => {
    const fragments = [await Deno.readFile(fixture("mr_small_lossless.jpg"))];
    const bits: Element[] = [["00280101", "US", [16]], ["00280102", "US", [15]], ["00280103", "US", [1]]];
    const file = (syntax: string): Uint8Array =>
      dicomFile(imageElements(64, 64, { fragments }, ...bits), syntax);
    const expected = await stored(await Deno.readFile(path));
    assert.deepEqual(await stored(file("1.2.840.10008.1.2.4.70")), expected);
    assert.deepEqual(await stored(file("1.2.840.10008.1.2.4.57")), expected);
    await throwsTyped(() => stored(file("1.2.840.10008.1.2.4.80")), "FormatError", "process c3");
    await throwsTyped(() => stored(file("1.2.840.10008.1.2.4.50")), "FormatError", "process c3");
  },
);

sharedTest(
  "a codestream that is cut short inside an intact object is refused, not filled up",
  RAW,
  async (raw) => {
    const bits: Element[] = [["00280101", "US", [16]], ["00280102", "US", [15]], ["00280103", "US", [1]]];
    const streams: [string, Uint8Array][] = [[
      "1.2.840.10008.1.2.4.70",
      await Deno.readFile(fixture("mr_small_lossless.jpg")),
    ]];
    for (
      const [name, marker] of [["MR_small_jpeg_ls_lossless.dcm", 0xd8], [
        "MR_small_jp2klossless.dcm",
        0x4f,
      ]] as const
    ) {
      const bytes = await Deno.readFile(`${raw}/${name}`);
      const object = parseDicom(bytes, name);
      const [stream] = object.compressedFrames("x7fe00010", 1);
      assert.deepEqual([...stream.subarray(0, 2)], [0xff, marker]);
      streams.push([object.transferSyntax, stream]);
    }
    for (const [syntax, stream] of streams) {
      const file = (fragment: Uint8Array): Uint8Array =>
        dicomFile(imageElements(64, 64, { fragments: [fragment] }, ...bits), syntax);
      assert.equal((await stored(file(stream))).length, 4096);
      for (const length of [30, 90, 1000, stream.length >> 1]) {
        await throwsTyped(() => stored(file(stream.slice(0, length))), "FormatError", "test.dcm");
        // With an end marker only the codec can tell; the one of JPEG lossless cannot.
        if (syntax === "1.2.840.10008.1.2.4.70") continue;
        const ended = Uint8Array.from([...stream.subarray(0, length), 0xff, 0xd9]);
        await throwsTyped(() => stored(file(ended)), "FormatError", "test.dcm");
      }
      assert.equal((await stored(file(stream))).length, 4096, "the codec still works after damaged streams");
    }
  },
);

Deno.test("DICOM headers that promise too much, or too little, are refused before memory is taken", async () => {
  const huge: Element[] = [["00280010", "US", [65535]], ["00280011", "US", [65535]]];
  await throwsTyped(() => stored(dicomFile(imageElements(1, 2, [1, 2], ...huge))), "FormatError", "65535");
  const frames: Element = ["00280008", "IS", "4000000000"];
  await throwsTyped(
    () => stored(dicomFile(imageElements(1, 2, [1, 2], frames))),
    "FormatError",
    "bytes of pixel data",
  );
  const wide = imageElements(1, 2, [1, 2], ["00280101", "US", [17]]);
  await throwsTyped(() => stored(dicomFile(wide)), "DatasetError", "BitsStored");
  const none = imageElements(1, 2, [1, 2], ["00280100", "US", [12]]);
  await throwsTyped(() => stored(dicomFile(none)), "DatasetError", "BitsAllocated");
  const deflated = dicomFile(imageElements(1, 2, [1, 2]), "1.2.840.10008.1.2.1.99");
  await throwsTyped(() => stored(deflated), "FormatError", "deflated");
  const video = dicomFile(imageElements(1, 2, { fragments: [new Uint8Array(8)] }), "1.2.840.10008.1.2.4.100");
  await throwsTyped(() => stored(video), "FormatError", "1.2.840.10008.1.2.4.100");
});

Deno.test("burned-in annotations and identifying tags are warned about; an object without a patient is refused", () =>
  inFolder(async (dir) => {
    const mapping = {
      format: "fedkim-import-dicom/1",
      ...SET,
      modality: { kind: "image", size: { height: 2, width: 2 } },
    };
    await Deno.writeTextFile(`${dir}/m.json`, JSON.stringify(mapping));
    const run = async (...further: Element[]) => {
      await Deno.writeFile(`${dir}/a.dcm`, dicomFile(imageElements(2, 2, RAMP, ...further)));
      return await importDataset({
        mappingFile: `${dir}/m.json`,
        source: `${dir}/a.dcm`,
        dir: `${dir}/${crypto.randomUUID()}`,
      });
    };
    const { warnings } = await run(["00280301", "CS", "YES"], ["00100010", "PN", "DOE^JANE"]);
    assert.deepEqual(warnings.map(({ code, where }) => [code, where]), [
      ["burned_in_annotation", "BurnedInAnnotation"],
      ["identifying_tag", "PatientName"],
    ]);
    assert.deepEqual((await run()).warnings, []);
    await refuses(run(["00100020", "LO", ""]), "DatasetError", "a.dcm", "PatientID");
  }));
