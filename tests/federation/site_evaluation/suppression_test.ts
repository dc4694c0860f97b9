import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeUpdate } from "../../../src/dp/mod.ts";
import { addUnit } from "../../../src/federation/site_evaluation/contribution.ts";
import type { Histogram } from "../../../src/federation/site_evaluation/histogram.ts";
import { crossSiteMarkdown, crossSiteResult } from "../../../src/federation/site_evaluation/mod.ts";
import { joined, shownLevels, tooSmall } from "../../../src/federation/site_evaluation/suppression.ts";
import { seededWords } from "../../_seeded.ts";
import { CONFIG, planWithEvaluation } from "./_plan.ts";

const bins = {
  icu_shock: { edges: [-1, 0, 1], probabilities: [0.1, 0.3, 0.6, 0.9], firstYes: 2, calibrated: true },
};

/** The result of 1,000 units, of whom one in twenty is male; nobody's sex is not stated. */
function released(minimumCount: number) {
  const plan = planWithEvaluation({ ...CONFIG, epsilon: 8, minimumCount });
  const { evaluation } = plan;
  const noise = seededWords(3);
  const sum = new Uint32Array(evaluation.dp.request.dimension);
  for (let site = 0; site < 4; site++) {
    const own = new Float64Array(sum.length);
    for (let i = 0; i < 250; i++) {
      const male = i % 20 === 0;
      const groups = [0, 1 + i % 3, 5 + (male ? 1 : 0)];
      const record = { task: 0, label: male || i % 3 === 0 ? 1 : 0, bin: i % 4, groups };
      addUnit(own, evaluation, [record], evaluation.dp.request.populations[0].maxGradNorm);
    }
    encodeUpdate(evaluation.dp, own, noise).forEach((value, i) => sum[i] += value);
  }
  return crossSiteResult(evaluation, plan.model.spec, bins, sum, 4);
}

Deno.test("what is left of everybody after the groups that are shown is never one small group", () => {
  const result = released(100);
  const { groups, together } = result.tasks.icu_shock;
  const sexes = groups.filter(({ dimension }) => dimension === "sex");
  assert.ok(!groups[0].suppressed);
  assert.deepEqual(
    sexes.map((group) => [group.level, group.suppressed && group.reason]),
    [["Female", "by_subtraction"], ["Male", "below_minimum_count"], ["not stated", "below_minimum_count"]],
  );
  assert.equal(together!.length, 1);
  assert.ok(together!.every(({ dimension }) => dimension === "age"), "all sexes together are everybody");
  const lines = crossSiteMarkdown(result);
  assert.ok(lines.includes("| icu_shock | sex: Female | hidden with a smaller group |  |  |  |  |  |"));
  assert.ok(
    lines.some((line) => /age: .* or not stated \| \d+ \(/.test(line)),
    "the rest is shown as one group",
  );
});

Deno.test("a group that is hidden with a smaller one says no number anywhere in the result", () => {
  const hidden = released(100).tasks.icu_shock.groups.filter(({ suppressed }) => suppressed);
  assert.equal(hidden.length, 5);
  for (const group of hidden) {
    assert.deepEqual(Object.keys(group).sort(), ["dimension", "level", "reason", "suppressed"]);
  }
});

const CELL = fc.integer({ min: -5, max: 60 });
const HISTOGRAM = fc.record({
  no: fc.tuple(CELL, CELL),
  yes: fc.tuple(CELL, CELL),
  noise: fc.constantFrom(0, 2),
});
const TASKS = fc.integer({ min: 2, max: 6 }).chain((levels) =>
  fc.array(fc.array(HISTOGRAM, { minLength: levels, maxLength: levels }), { minLength: 1, maxLength: 3 })
);

Deno.test("no level, and no rest of a dimension, that is shown or follows by subtraction is too small in any task", () => {
  fc.assert(
    fc.property(TASKS, (tasks: Histogram[][]) => {
      const minimum = 40;
      const { hidden, together } = shownLevels(tasks, minimum);
      const small = (parts: readonly number[]) =>
        tasks.some((of) => tooSmall(joined(parts.map((level) => of[level])), minimum) !== undefined);
      for (const level of tasks[0].keys()) assert.ok(hidden.includes(level) || !small([level]));
      if (hidden.length === 0 || hidden.length === tasks[0].length) return assert.equal(together, false);
      assert.ok(hidden.length > 1 && !small(hidden) && together);
    }),
    { numRuns: 500 },
  );
});

Deno.test("where nothing is too small everything is shown, and no more is hidden than it takes", () => {
  const of = (units: number): Histogram => ({ no: [units], yes: [0], noise: 0 });
  const shown = (...units: number[]) => shownLevels([units.map(of)], 20);
  assert.deepEqual(shown(30, 40), { hidden: [], together: false });
  assert.deepEqual(shown(300, 19, 30, 40), { hidden: [1, 2], together: true });
  assert.deepEqual(shown(300, 12, 9, 40), { hidden: [1, 2], together: true });
  assert.deepEqual(shown(300, 9, 9, 40), { hidden: [1, 2, 3], together: true });
  assert.deepEqual(shown(300, 0), { hidden: [0, 1], together: false });
  assert.deepEqual(shownLevels([], 20), { hidden: [], together: false });
});

Deno.test("a level that one task of a set hides is hidden for all of them: they count the same people", () => {
  const of = (units: number): Histogram => ({ no: [units], yes: [0], noise: 0 });
  const tasks = [[300, 21, 50, 40].map(of), [300, 19, 50, 40].map(of)];
  assert.deepEqual(shownLevels(tasks, 20).hidden, [1, 3]);
});
