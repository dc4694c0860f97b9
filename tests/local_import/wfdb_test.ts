import assert from "node:assert/strict";
import {
  importWfdb,
  parseWfdbAnnotations,
  parseWfdbHeader,
  parseWfdbMapping,
  Resampler,
  WfdbSamples,
} from "../../src/local/import/mod.ts";
import { loadDataset, type SignalValue } from "../../src/local/mod.ts";
import { sharedTest } from "../_shared.ts";
import { inFolder, refuses, SET, taskText, throwsTyped } from "./_helpers.ts";

const WINDOWS = { format: "fedkim-import-wfdb/1", ...SET, windowSeconds: 10, sampleRateHz: 100 };

sharedTest(
  "format 212 with annotations: record 208 as wfdb-python 4.3.1 reads it",
  "data/raw/wfdb",
  (raw) =>
    inFolder(async (dir) => {
      const header = parseWfdbHeader(await Deno.readTextFile(`${raw}/208.hea`), "208.hea");
      const read = async (lead: number, from: number, to: number): Promise<number[]> => {
        using samples = await WfdbSamples.open(header, header.signals[lead], raw);
        return [...samples.read(from, to)];
      };
      assert.deepEqual(await read(0, 1000, 1003), [-0.36, -0.38, -0.375]);
      assert.deepEqual(await read(1, 1001, 1003), [0.235, 0.23]);
      assert.deepEqual(await read(1, 649995, 650000), [-0.095, -0.105, -0.1, -0.11, 0]);
      const annotations = parseWfdbAnnotations(await Deno.readFile(`${raw}/208.atr`), "208.atr");
      assert.equal(annotations.length, 3040);
      assert.deepEqual(annotations[0], { sample: 9, symbol: "+", text: "(N" });
      assert.deepEqual([annotations[3].sample, annotations.at(-1)?.sample], [483, 649935]);
      const count = (symbol: string): number => annotations.filter((item) => item.symbol === symbol).length;
      assert.deepEqual([..."NVF+~|SQ"].map(count), [1586, 992, 373, 53, 24, 8, 2, 2]);

      const report = await importWfdb(
        `${raw}/208.hea`,
        parseWfdbMapping({
          ...WINDOWS,
          leads: [["MLII", "II"], ["V1"]],
          patients: { "208": "person-23" },
          tasks: [
            { ...taskText("pvc", "ecg"), beats: { symbols: ["V", "E"] } },
            { ...taskText("bigeminy", "ecg"), rhythms: { names: ["B"], fraction: 0.5 } },
          ],
        }),
        `${dir}/out`,
      );
      assert.deepEqual([report.records, report.patients], [180, 1]);
      const { records } = await loadDataset(`${dir}/out`);
      assert.ok(records.every(({ patient }) => patient === "person-23"));
      const without = records.filter(({ labels }) => labels.get("pvc") === 0).map(({ id }) => id);
      assert.deepEqual(without, [118, 119, 120, 121, 130].map((window) => `208-${window}`));
      assert.ok(new Set(records.map(({ labels }) => labels.get("bigeminy"))).has(0));
      const ecg = records[3].values.get("ecg") as SignalValue;
      assert.deepEqual([ecg.samples, ecg.leads, ecg.sampleRateHz], [1000, 2, 100]);
      // The mean of a window survives the change of rate: 30 to 40 s of lead MLII in microvolt.
      const source = await read(0, 10800, 14400);
      const mean = (values: readonly number[]): number =>
        values.reduce((sum, value) => sum + value, 0) / values.length;
      const lead = [...ecg.data].filter((_, i) => i % 2 === 0);
      assert.ok(Math.abs(mean(lead) - 1000 * mean(source)) < 2);
    }),
);

sharedTest(
  "format 16: four leads, and the leads of a record whose other file is not at hand",
  "data/raw/wfdb",
  (raw) =>
    inFolder(async (dir) => {
      const header = parseWfdbHeader(await Deno.readTextFile(`${raw}/test01_00s.hea`), "test01_00s.hea");
      const first = await Promise.all(header.signals.map(async (signal) => {
        using samples = await WfdbSamples.open(header, signal, raw);
        return [...samples.read(0, 2), ...samples.read(3999, 4000)];
      }));
      assert.deepEqual(first, [[0.1, 0.11, -0.26], [-0.08, -0.06, -0.18], [-0.57, -0.56, 0.12], [
        -0.66,
        -0.66,
        0.16,
      ]]);
      const mapping = (...leads: string[]) =>
        parseWfdbMapping({ ...WINDOWS, leads: leads.map((lead) => [lead]) });
      await importWfdb(`${raw}/s0010_re.hea`, mapping("i", "avr", "V6"), `${dir}/ptb`);
      const { records } = await loadDataset(`${dir}/ptb`);
      assert.equal(records.length, 3);
      assert.equal((records[0].values.get("ecg") as SignalValue).leads, 3);
      await refuses(
        importWfdb(`${raw}/s0010_re.hea`, mapping("vx"), `${dir}/vx`),
        "DatasetError",
        "s0010_re.xyz",
      );
      await refuses(
        importWfdb(`${raw}/s0010_re.hea`, mapping("MLII"), `${dir}/no`),
        "DatasetError",
        "no record",
      );
    }),
);

/** A record of one lead in format 212 with a checksum. */
function record212(counts: number[]): { header: string; bytes: Uint8Array } {
  const bytes = new Uint8Array(Math.ceil(counts.length / 2) * 3);
  counts.forEach((count, i) => {
    const at = (i >> 1) * 3;
    bytes[at + (i % 2) * 2] = count & 0xff;
    bytes[at + 1] |= (count >> 8 & 0x0f) << (i % 2) * 4;
  });
  const checksum = counts.reduce((sum, count) => (sum + count) << 16 >> 16, 0);
  return {
    header: `r 1 100 ${counts.length}\nr.dat 212 100(0)/mV 12 0 ${counts[0]} ${checksum} 0 II\n`,
    bytes,
  };
}

const counts = Array.from({ length: 251 }, (_, i) => i % 7 === 0 ? -2047 + i : 2047 - i);

async function importCounts(
  dir: string,
  edit: (record: ReturnType<typeof record212>) => void,
): Promise<void> {
  const record = record212(counts);
  edit(record);
  await Deno.writeTextFile(`${dir}/r.hea`, record.header);
  await Deno.writeFile(`${dir}/r.dat`, record.bytes);
  const mapping = parseWfdbMapping({ ...WINDOWS, windowSeconds: 1, leads: [["II"]], unit: "mV" });
  await importWfdb(dir, mapping, `${dir}/out-${crypto.randomUUID()}`);
}

Deno.test("a hand-made record in format 212 reads back every 12-bit count", () =>
  inFolder(async (dir) => {
    await importCounts(dir, () => {});
    const header = parseWfdbHeader(await Deno.readTextFile(`${dir}/r.hea`), "r.hea");
    using samples = await WfdbSamples.open(header, header.signals[0], dir);
    assert.deepEqual([...samples.read(0, 251)].map((value) => Math.round(value * 100)), counts);
    assert.deepEqual([...samples.read(7, 9)].map((value) => Math.round(value * 100)), counts.slice(7, 9));
  }));

Deno.test("WFDB files that are cut short, changed or of another form are refused by name", () =>
  inFolder(async (dir) => {
    const attempt = (edit: Parameters<typeof importCounts>[1], ...texts: string[]): Promise<void> =>
      refuses(importCounts(dir, edit), "FormatError", ...texts);
    await attempt((r) => r.bytes = r.bytes.subarray(0, 300), "r.dat", "200 samples per signal of 251");
    await attempt((r) => r.bytes[10] ^= 1, "r.dat", "checksum");
    await attempt((r) => r.header = r.header.replace(" 212 ", " 80 "), "r.hea", "storage format 80");
    await attempt((r) => r.header = r.header.replace("r 1", "r/3 1"), "r.hea", "3 segments");
    await attempt((r) => r.header = r.header.replace("r.dat", "../r.dat"), "r.hea", "outside");
    await attempt((r) => r.header = r.header.replace("r 1", "r 4"), "r.hea", "1 signal lines for 4");
    await attempt((r) => r.header = r.header.replace(" 251", " 99999999999"), "r.dat", "99999999999");
    await attempt((r) => r.header = "", "r.hea");
  }));

Deno.test("a window with a missing sample is left out, and an amplitude beyond 16 bits is refused", () =>
  inFolder(async (dir) => {
    const gap = record212(counts.map((count, i) => i === 150 ? -2048 : count));
    await importCounts(dir, (r) => Object.assign(r, gap));
    const [out] = [...Deno.readDirSync(dir)].filter(({ name }) => name.startsWith("out-"));
    const { records } = await loadDataset(`${dir}/${out.name}`);
    // Only the first of two seconds is whole.
    assert.deepEqual(records.map(({ id }) => id), ["r-0"]);
    await Deno.writeTextFile(`${dir}/r.hea`, record212(counts).header);
    await Deno.writeFile(`${dir}/r.dat`, record212(counts).bytes);
    const tiny = parseWfdbMapping({ ...WINDOWS, windowSeconds: 1, leads: [["II"]], unit: "uV" });
    await importWfdb(`${dir}/r.hea`, tiny, `${dir}/fits`);
    await Deno.writeTextFile(`${dir}/r.hea`, record212(counts).header.replace("100(0)", "1(0)"));
    await refuses(
      importWfdb(`${dir}/r.hea`, tiny, `${dir}/large`),
      "DatasetError",
      "r.hea",
      "lead 1",
      "16 bits",
    );
  }));

Deno.test("annotations: long steps and texts are read, a file cut short is refused", async () => {
  const word = (code: number, step: number): number[] => [step & 0xff, code << 2 | step >> 8];
  const bytes = [
    ...word(59, 0),
    0x01,
    0x00,
    0x34,
    0x12, // SKIP by 0x11234
    ...word(28, 5),
    ...word(63, 5),
    ...new TextEncoder().encode("(AFIB"),
    0,
    ...word(62, 1),
    ...word(5, 1023),
    0,
    0,
  ];
  assert.deepEqual(parseWfdbAnnotations(Uint8Array.from(bytes), "a"), [
    { sample: 0x11234 + 5, symbol: "+", text: "(AFIB" },
    { sample: 0x11234 + 5 + 1023, symbol: "V", text: "" },
  ]);
  for (const length of [1, 3, 9, 12, bytes.length - 2]) {
    await throwsTyped(
      () => parseWfdbAnnotations(Uint8Array.from(bytes.slice(0, length)), "a.atr"),
      "FormatError",
      "a.atr",
    );
  }
});

Deno.test("resampling keeps what the new rate can hold and removes what would alias", () => {
  const wave = (hz: number): Float64Array =>
    Float64Array.from({ length: 3600 }, (_, i) => Math.sin(2 * Math.PI * hz * i / 360));
  const resampler = new Resampler(360, 100);
  const amplitude = (values: Float64Array): number => Math.max(...values.slice(100, 900).map(Math.abs));
  const kept = resampler.run(wave(20), 0, 0, 1000);
  kept.slice(100, 900).forEach((value, i) =>
    assert.ok(Math.abs(value - Math.sin(2 * Math.PI * 20 * (i + 100) / 100)) < 1e-3)
  );
  assert.ok(amplitude(resampler.run(wave(75), 0, 0, 1000)) < 1e-3);
  const same = wave(20);
  assert.deepEqual(
    [...new Resampler(360, 360).run(same, 0, 7, 50)].map((v) => v.toFixed(9)),
    [...same.slice(7, 57)].map((v) => v.toFixed(9)),
  );
});
