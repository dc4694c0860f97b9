import assert from "node:assert/strict";
import fc from "fast-check";
import { importDataset, openTable, type TableMapping } from "../../src/local/import/mod.ts";
import { loadDataset } from "../../src/local/mod.ts";
import type { Dataset, TimeseriesValue, VectorValue } from "../../src/local/mod.ts";
import { sharedTest } from "../_shared.ts";
import { gzip, inFolder, refuses, SET, taskText } from "./_helpers.ts";

type Loose = Record<string, unknown>;

/** Writes a mapping and files, imports them and gives the folder's content. */
async function importFiles(
  dir: string,
  mapping: Loose,
  files: Readonly<Record<string, string | Uint8Array>>,
  limits: Loose = {},
): Promise<Dataset> {
  for (const [name, content] of Object.entries(files)) {
    if (typeof content === "string") await Deno.writeTextFile(`${dir}/${name}`, content);
    else await Deno.writeFile(`${dir}/${name}`, content);
  }
  await Deno.writeTextFile(`${dir}/mapping.json`, JSON.stringify(mapping));
  await importDataset({ mappingFile: `${dir}/mapping.json`, dir: `${dir}/out`, limits });
  return await loadDataset(`${dir}/out`);
}

const STAYS: Loose = {
  format: "fedkim-import/1",
  ...SET,
  tables: { stays: { file: "stays.csv", key: "stay" } },
  recordTable: "stays",
  patientColumn: "person",
  modalities: {
    labs: {
      kind: "vector",
      channels: [
        { name: "temperature", column: "temp", unit: "degC", sourceUnit: "degF" },
        { name: "glucose", column: "glu", unit: "mmol/L", scale: 0.0555, range: [0, 60] },
      ],
    },
    note: { kind: "text", template: "{sex}, {why}" },
  },
  tasks: [{
    ...taskText("died", "labs"),
    type: "binary",
    column: "end",
    map: { home: 0, died: 1 },
    otherwise: null,
  }],
};
const HEADER = "stay,person,temp,glu,sex,why,end\n";

Deno.test("importTables() converts units, fills templates and maps labels", () =>
  inFolder(async (dir) => {
    const rows = 'a,p1,98.6,100,F,"pain, chest",home\nb,p1,,,M,,died\nc,p2,212,NA,,,moved\n';
    const { records, manifest } = await importFiles(dir, STAYS, { "stays.csv": HEADER + rows });
    assert.deepEqual(records.map(({ id, patient }) => [id, patient]), [["a", "p1"], ["b", "p1"], [
      "c",
      "p2",
    ]]);
    const labs = records.map(({ values }) => values.get("labs") as VectorValue | null);
    assert.deepEqual([...(labs[0]?.data ?? [])], [Math.fround(37), Math.fround(5.55)]);
    assert.equal(labs[1], null);
    assert.deepEqual([...(labs[2]?.data ?? [])], [100, NaN]);
    assert.deepEqual(records[0].values.get("note"), { kind: "text", text: "F, pain, chest" });
    assert.equal(records[2].values.get("note"), null);
    assert.deepEqual(records.map(({ labels }) => labels.get("died")), [0, 1, null]);
    assert.deepEqual(manifest.modalities.labs, {
      kind: "vector",
      field: "labs",
      channels: ["temperature", "glucose"],
      units: ["degC", "mmol/L"],
    });
  }));

Deno.test("importTables() puts timestamped long tables on the grid of each stay, whatever the size of a block", () =>
  inFolder(async (dir) => {
    const mapping = {
      format: "fedkim-import/1",
      ...SET,
      tables: {
        stays: { file: "stays.csv", key: "stay" },
        charts: { file: "charts.csv.gz", key: "stay", delimiter: ";" },
      },
      recordTable: "stays",
      patientColumn: "person",
      modalities: {
        vitals: {
          kind: "timeseries",
          table: "charts",
          time: { column: "at", unit: "timestamp", start: "begin" },
          steps: 3,
          stepSeconds: 3600,
          aggregate: "mean",
          channels: [
            { name: "hr", column: "value", where: { column: "item", values: ["pulse"] }, unit: "/min" },
            {
              name: "sbp",
              column: "value",
              where: { column: "item", values: ["RR"] },
              unit: "mmHg",
              aggregate: "last",
            },
          ],
        },
      },
    };
    const stays = "stay,person,begin\n1,p,2024-03-01 10:00\n2,q,2024-03-01T23:30:00+01:00\n3,r,2024-03-02\n";
    const charts = [
      "stay;at;item;value",
      "2;2024-03-01 22:31;pulse;70",
      "1;2024-03-01 10:59:59;pulse;90",
      "1;2024-03-01 11:40;RR;130",
      "1;2024-03-01 10:00;pulse;80",
      "1;2024-03-01 11:20;RR;110",
      "1;2024-03-01 09:59;pulse;10",
      "1;2024-03-01 13:00;pulse;20",
      "9;2024-03-01 13:00;pulse;20",
    ].join("\r\n");
    const files = { "stays.csv": stays, "charts.csv.gz": await gzip(new TextEncoder().encode(charts)) };
    const expected = [[85, NaN, NaN, 130, NaN, NaN], [70, NaN, NaN, NaN, NaN, NaN], undefined];
    for (const joinBytes of [1, 1 << 20]) {
      await Deno.mkdir(`${dir}/${joinBytes}`);
      const { records } = await importFiles(`${dir}/${joinBytes}`, mapping, files, { joinBytes });
      assert.deepEqual(
        records.map(({ values }) => {
          const value = values.get("vitals") as TimeseriesValue | null;
          return value === null ? undefined : [...value.data];
        }),
        expected,
      );
    }
  }));

const cell = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r", " ", "é", "𝛿"), maxLength: 6 });
const row = fc.tuple(cell, cell, cell);

async function readsBack(dir: string, rows: readonly (readonly string[])[]): Promise<void> {
  const quoted = rows.map((cells) => cells.map((text) => `"${text.replaceAll('"', '""')}"`).join(",")).join(
    "\r\n",
  );
  await Deno.writeTextFile(`${dir}/t.csv`, `\uFEFFx,y,z\r\n${quoted}`);
  const found: unknown[] = [];
  for await (const { cells } of (await openTable(`${dir}/t.csv`)).rows(["z", "x"])) found.push(cells);
  assert.deepEqual(found, rows.map(([x, , z]) => [z, x]));
}

Deno.test("a CSV table reads back any cells", () =>
  inFolder(async (dir) => {
    const property = fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 5 }), (rows) =>
      readsBack(dir, rows));
    await fc.assert(property, { numRuns: 60 });
  }));

Deno.test("a CSV table reads back rows that lie across the pieces in which a file arrives", () =>
  inFolder(async (dir) => {
    const rows = fc.sample(row, { numRuns: 20_000, seed: 5 });
    await readsBack(dir, rows);
    assert.ok((await Deno.stat(`${dir}/t.csv`)).size > 4 * 65536);
  }));

Deno.test("importTables() names file, row and column of a wrong value and leaves nothing behind", () =>
  inFolder(async (dir) => {
    const attempt = async (
      rows: string,
      code: "DatasetError" | "FormatError",
      ...texts: string[]
    ): Promise<void> => {
      await refuses(importFiles(dir, STAYS, { "stays.csv": HEADER + rows }), code, "stays.csv", ...texts);
      assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name).sort(), [
        "mapping.json",
        "stays.csv",
      ]);
    };
    await attempt("a,p,98.6,1,F,x,home\nb,p,hot,1,F,x,home\n", "DatasetError", "row 2", "field temp");
    const shown = await importFiles(dir, STAYS, { "stays.csv": `${HEADER}a,p,hot4711,1,F,x,home\n` }).catch(
      String,
    );
    assert.ok(typeof shown === "string" && !shown.includes("4711"), "a message never shows a value");
    await attempt("a,p,98.6,1e999,F,x,home\n", "DatasetError", "row 1", "field glu");
    await attempt("a,p,98.6,5000,F,x,home\n", "DatasetError", "row 1", "field glu", "from 0 to 60 mmol/L");
    await attempt("a,p,98.6,1,F,x\n", "DatasetError", "row 1", "6 fields");
    await attempt("a,,98.6,1,F,x,home\n", "DatasetError", "row 1", "field person");
    await attempt("a,p,1,1,F,x,home\na,q,1,1,F,x,home\n", "DatasetError", "row 2", "field stay");
    await attempt('a,p,1,1,F,"x,home\n', "FormatError", "never closed");
  }));

Deno.test("importTables() counts wrong values as missing only where the mapping says so", () =>
  inFolder(async (dir) => {
    const rows = "a,p,hot,1,F,x,home\nb,p,98.6,5000,F,x,home\n";
    const { records } = await importFiles(dir, { ...STAYS, badValues: "missing" }, {
      "stays.csv": HEADER + rows,
    });
    assert.deepEqual(records.map(({ values }) => Number.isNaN((values.get("labs") as VectorValue).data[0])), [
      true,
      false,
    ]);
    const report = JSON.parse(await Deno.readTextFile(`${dir}/out/import.json`));
    assert.deepEqual(
      report.warnings.map(({ code, where, count }: Loose) => [code, where, count]),
      [["value_out_of_range", "labs.glucose", 1], ["value_unreadable", "labs.temperature", 1]],
    );
  }));

Deno.test("importTables() refuses columns, tables and units that do not exist", () =>
  inFolder(async (dir) => {
    const files = { "stays.csv": HEADER };
    await refuses(
      importFiles(dir, { ...STAYS, patientColumn: "who" }, files),
      "FormatError",
      "no column who",
    );
    await refuses(
      importFiles(dir, { ...STAYS, recordTable: "other" }, files),
      "ConfigError",
      "no table is called other",
    );
    await refuses(importFiles(dir, { ...STAYS, surprise: 1 }, files), "ConfigError", "surprise");
    const labs = {
      kind: "vector",
      channels: [{ name: "glucose", column: "glu", unit: "mmol/L", sourceUnit: "mg/dL" }],
    };
    await refuses(
      importFiles(dir, { ...STAYS, modalities: { labs } }, files),
      "ConfigError",
      "mg/dL",
      "scale",
    );
    await refuses(importFiles(dir, STAYS, files), "DatasetError", "no record");
  }));

Deno.test("a gzip bomb and a row without end stop at their bounds", () =>
  inFolder(async (dir) => {
    const bomb = await gzip(new Uint8Array(48 << 20).fill(0x61));
    assert.ok(bomb.length < 100_000);
    await Deno.writeFile(`${dir}/bomb.csv.gz`, bomb);
    await refuses(openTable(`${dir}/bomb.csv.gz`), "FormatError", "bomb.csv.gz", "longer than");
    const rows = await gzip(new TextEncoder().encode("a,b\n" + "1,2\n".repeat(100_000)));
    await Deno.writeFile(`${dir}/rows.csv.gz`, rows);
    const read = async (limits: Loose): Promise<number> => {
      let count = 0;
      for await (const _ of (await openTable(`${dir}/rows.csv.gz`, undefined, limits)).rows(["b"])) count++;
      return count;
    };
    assert.equal(await read({}), 100_000);
    await refuses(read({ inflatedBytes: 200_000 }), "FormatError", "200000 bytes");
    await Deno.writeFile(`${dir}/rows.csv.gz`, rows.subarray(0, rows.length - 20));
    await refuses(read({}), "FormatError", "rows.csv.gz");
  }));

Deno.test("openTable() refuses archives, other encodings and headers without names", () =>
  inFolder(async (dir) => {
    const open = async (bytes: Uint8Array): Promise<void> => {
      await Deno.writeFile(`${dir}/t.csv`, bytes);
      for await (const _ of (await openTable(`${dir}/t.csv`)).rows([]));
    };
    const text = (value: string): Uint8Array => new TextEncoder().encode(value);
    await refuses(open(text("PK\x03\x04zip")), "FormatError", "ZIP");
    await refuses(open(Uint8Array.of(0x61, 0x0a, 0xe9, 0x0a)), "FormatError", "not utf-8");
    await refuses(open(text("a,,b\n")), "FormatError", "without a name");
    await refuses(open(text("a,b,a\n")), "FormatError", "a twice");
    await refuses(open(text("")), "FormatError", "no header");
    await refuses(openTable(`${dir}/nowhere.csv`), "DatasetError", "nowhere.csv");
  }));

sharedTest(
  "the eICU demo's tables (CSV.gz, Parquet) become one dataset, as pandas has them",
  "data/raw",
  (raw) =>
    inFolder(async (dir) => {
      const mapping: Partial<TableMapping> & Loose = {
        format: "fedkim-import/1",
        ...SET,
        tables: {
          patient: { file: "csv/patient.csv.gz", key: "patientunitstayid" },
          hourly: { file: "parquet/dyn.parquet", key: "stay_id" },
          outcome: { file: "parquet/outc.parquet", key: "stay_id" },
          fluids: { file: "csv/intakeoutput.csv.gz", key: "patientunitstayid" },
        } as never,
        recordTable: "patient",
        patientColumn: "uniquepid",
        attributes: { age: "age", sex: "gender" },
        modalities: {
          vitals: {
            kind: "timeseries",
            table: "hourly",
            time: { column: "time", unit: "second" },
            steps: 24,
            stepSeconds: 3600,
            channels: [
              { name: "heart_rate", column: "hr", unit: "/min" },
              { name: "temperature", column: "temp", unit: "degC" },
            ],
          },
          outputs: {
            kind: "vector",
            table: "fluids",
            aggregate: "sum",
            window: { time: { column: "intakeoutputoffset", unit: "minute" }, from: 0, to: 86400 },
            channels: [{
              name: "urine",
              column: "cellvaluenumeric",
              where: { column: "celllabel", values: ["Urine"] },
              unit: "mL",
            }],
          },
        } as never,
        tasks: [
          {
            ...taskText("died", "vitals"),
            type: "binary",
            column: "hospitaldischargestatus",
            map: { Alive: 0, Expired: 1 },
          },
          { ...taskText("outcome", "vitals"), type: "binary", table: "outcome", column: "label" },
        ] as never,
      };
      // The mapping's paths are relative to its folder.
      await Deno.symlink(raw, `${dir}/raw`);
      const tables = mapping.tables as unknown as Record<string, { file: string }>;
      for (const table of Object.values(tables)) table.file = `raw/${table.file}`;
      const { records } = await importFiles(dir, mapping, {});
      // Constants of pandas 3.1.1 on the same files.
      assert.equal(records.length, 2520);
      assert.equal(new Set(records.map(({ patient }) => patient)).size, 1841);
      const labels = (name: string, label: number): number =>
        records.filter((record) => record.labels.get(name) === label).length;
      assert.deepEqual([labels("died", 1), labels("died", 0), labels("outcome", 1)], [212, 2280, 70]);
      assert.equal(labels("outcome", 0), 1297);
      const record = records.find(({ id }) => id === "147784");
      assert.equal(record?.patient, "002-10424");
      const vitals = record?.values.get("vitals") as TimeseriesValue;
      assert.deepEqual(
        [...vitals.data.slice(0, 4)],
        [82.5, Math.fround(36.2111111), 90.5, NaN].map(Math.fround),
      );
      const rates = records.flatMap(({ values }) => {
        const value = values.get("vitals") as TimeseriesValue | null;
        return value === null
          ? []
          : [...value.data].filter((number, i) => i % 2 === 0 && !Number.isNaN(number));
      });
      assert.equal(rates.length, 31264);
      assert.ok(
        Math.abs(rates.reduce((sum, rate) => sum + rate, 0) / rates.length - 85.24371481576254) < 1e-4,
      );
      const urine = records.map(({ values }) => values.get("outputs") as VectorValue | null).filter((v) =>
        v !== null
      );
      assert.deepEqual([urine.length, urine.reduce((sum, { data }) => sum + data[0], 0)], [1495, 2225971]);
    }),
);

sharedTest(
  "a damaged Parquet file is refused wherever it is damaged",
  "data/raw/parquet/sta.parquet",
  (path) =>
    inFolder(async (dir) => {
      const whole = await Deno.readFile(path);
      const read = async (bytes: Uint8Array): Promise<number> => {
        await Deno.writeFile(`${dir}/t.parquet`, bytes);
        let rows = 0;
        for await (const _ of (await openTable(`${dir}/t.parquet`)).rows(["age", "sex"])) rows++;
        return rows;
      };
      assert.equal(await read(whole), 1367);
      for (const length of [4, 100, 10_000, whole.length - 1, whole.length - 4000]) {
        await refuses(read(whole.subarray(0, length)), "FormatError", "t.parquet");
      }
      const claims = whole.slice();
      new DataView(claims.buffer).setUint32(claims.length - 8, 0x7fffffff, true);
      await refuses(read(claims), "FormatError", "t.parquet");
      const limited = openTable(path, undefined, { cellsAtOnce: 1000 });
      await refuses(
        (async () => {
          for await (const _ of (await limited).rows(["age"]));
        })(),
        "FormatError",
        "1367 rows",
      );
    }),
);
