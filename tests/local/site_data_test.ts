import assert from "node:assert/strict";
import fc from "fast-check";
import { composeSite, type Dataset, describeSite, type SiteData } from "../../src/local/mod.ts";
import { manifestOf, record } from "./_fixtures.ts";

const UNITS = { a: "patient", b: "record", c: "patient", d: "record" } as const;

type Row = readonly [keyof typeof UNITS, number];

/** A site from (set, patient) pairs; `gone` leaves out one pair without renaming the others. */
const siteOf = (rows: readonly Row[], gone = -1): SiteData => {
  const datasets = (Object.keys(UNITS) as (keyof typeof UNITS)[]).map((name): Dataset => ({
    dir: name,
    manifest: manifestOf(name, {}, [], UNITS[name]),
    records: rows.flatMap(([set, patient], index) =>
      set === name && index !== gone ? [record(`r${index}`, `p${patient}`, {})] : []
    ),
  }));
  return composeSite("site", "site", datasets);
};
const rowsArbitrary = fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.nat(6)), { maxLength: 30 });
const used = (site: SiteData): string[] =>
  site.sets.flatMap((set) => set.records.map(({ id }) => `${set.name}/${id}`)).sort();

Deno.test("composeSite() gives every patient with a group unit to exactly one set and counts what it leaves out", () => {
  fc.assert(fc.property(rowsArbitrary, (rows) => {
    const site = siteOf(rows);
    const owners = new Map<string, Set<string>>();
    for (const set of site.sets) {
      for (const { patient } of set.records) {
        owners.set(patient, (owners.get(patient) ?? new Set()).add(set.name));
      }
    }
    for (const sets of owners.values()) {
      if (sets.has("a") || sets.has("c")) assert.equal(sets.size, 1);
    }
    assert.equal(owners.size, new Set(rows.map(([, patient]) => patient)).size);
    assert.equal(used(site).length + site.withheldRecords, rows.length);
  }));
});

Deno.test("composeSite() without one patient is the same site without that patient's records", () => {
  fc.assert(fc.property(rowsArbitrary, fc.nat(6), (rows, gone) => {
    const mark = (site: SiteData): string[] =>
      site.sets.flatMap((set) =>
        set.records.filter(({ patient }) => patient !== `p${gone}`).map(({ patient }) =>
          `${set.name}/${patient}`
        )
      ).sort();
    assert.deepEqual(mark(siteOf(rows.filter(([, patient]) => patient !== gone))), mark(siteOf(rows)));
  }));
});

Deno.test("composeSite() without one record of a record-unit set differs by at most that record", () => {
  fc.assert(fc.property(rowsArbitrary, fc.nat(29), (rows, gone) => {
    fc.pre(gone < rows.length && UNITS[rows[gone][0]] === "record");
    const lost = `${rows[gone][0]}/r${gone}`;
    assert.deepEqual(used(siteOf(rows, gone)), used(siteOf(rows)).filter((id) => id !== lost));
  }));
});

Deno.test("units are patients, or single records where the manifest says so", () => {
  const [a, b] = siteOf([["a", 1], ["a", 1], ["b", 2], ["b", 2]]).sets;
  assert.deepEqual(a.units, ["p1", "p1"]);
  assert.deepEqual(b.units, ["r2", "r3"]);
});

Deno.test("describeSite() counts records, patients, units, the largest unit and what was withheld", () => {
  const [a, b] = describeSite(siteOf([["a", 1], ["a", 1], ["a", 3], ["b", 1], ["b", 2]]));
  const { records, patients, units, largestUnit } = a;
  assert.deepEqual({ records, patients, units, largestUnit }, {
    records: 3,
    patients: 2,
    units: 2,
    largestUnit: 2,
  });
  assert.equal(b.withheldRecords, 1);
});

Deno.test("composeSite() refuses two datasets of the same name", () => {
  const dataset: Dataset = { dir: "a", manifest: manifestOf("a", {}, []), records: [] };
  assert.throws(() => composeSite("s", "s", [dataset, dataset]), { code: "DatasetError" });
});
