import assert from "node:assert/strict";
import fc from "fast-check";
import { addUnit, type ScoredRecord } from "../../../src/federation/site_evaluation/contribution.ts";
import { dimensionOf, groupsOf, groupsOfRecord } from "../../../src/federation/site_evaluation/layout.ts";
import { levelOf, levelsOf } from "../../../src/federation/site_evaluation/subgroups.ts";
import { CONFIG } from "./_plan.ts";

const terms = { tasks: ["a", "b", "c"], bins: CONFIG.bins, subgroups: CONFIG.subgroups };

const records: fc.Arbitrary<ScoredRecord[]> = fc.array(
  fc.record({
    task: fc.integer({ min: 0, max: 2 }),
    label: fc.integer({ min: 0, max: 1 }),
    bin: fc.integer({ min: 0, max: terms.bins - 1 }),
    age: fc.option(fc.double()),
    sex: fc.constantFrom("Female", "Male", "?"),
  }),
  { maxLength: 30 },
).map((list) =>
  list.map(({ age, sex, ...rest }) => ({
    ...rest,
    groups: groupsOfRecord(terms, new Map<string, string | number | null>([["age", age], ["sex", sex]])),
  }))
);

function norm(vector: Float64Array): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}

Deno.test("one unit moves a site's sum by at most 1 in L2, whatever its records, tasks and groups", () => {
  fc.assert(fc.property(records, fc.double({ min: 0.01, max: 10, noNaN: true }), (list, clip) => {
    const sum = new Float64Array(dimensionOf(terms));
    addUnit(sum, terms, list, clip);
    assert.ok(norm(sum) <= 1);
  }));
});

Deno.test("with a clip of the root of the tasks no unit is shortened, and each task counts the unit once", () => {
  fc.assert(fc.property(records.filter((list) => list.length > 0), (list) => {
    const clip = Math.sqrt(terms.tasks.length);
    const sum = new Float64Array(dimensionOf(terms));
    addUnit(sum, terms, list, clip);
    const groups = groupsOf(terms).length;
    const weight = Math.sqrt(1 + terms.subgroups.length);
    for (const task of [0, 1, 2]) {
      const first = task * groups * 2 * terms.bins;
      const everybody = sum.subarray(first, first + 2 * terms.bins).reduce((a, b) => a + b, 0);
      const expected = list.some((record) => record.task === task) ? 1 : 0;
      assert.ok(Math.abs(everybody * clip * weight - expected) < 1e-9, `${everybody}`);
    }
  }));
});

Deno.test("levels are those of the plan: bands are closed below, and what fits none is not stated", () => {
  const [age, sex] = CONFIG.subgroups;
  assert.deepEqual(levelsOf(age), ["below 45", "45 to below 65", "65 and above", "not stated"]);
  const ofAge = (value: string | number | null) => levelOf(age, new Map([["age", value]]));
  assert.deepEqual([44.9, 45, 64, 65, 200, null, "70", NaN].map(ofAge), [0, 1, 1, 2, 2, 3, 3, 3]);
  const ofSex = (value: string | number | null) => levelOf(sex, new Map([["sex", value]]));
  assert.deepEqual(["Female", "Male", "female", 1, null].map(ofSex), [0, 1, 2, 2, 2]);
  assert.equal(levelOf(sex, new Map()), 2);
});
