import assert from "node:assert/strict";
import { encodeUpdate } from "../../../src/dp/mod.ts";
import { accuracy, auroc, brier } from "../../../src/local/mod.ts";
import { SeededRandom } from "../../../src/tensor/seeded_random.ts";
import { addUnit } from "../../../src/federation/site_evaluation/contribution.ts";
import { binOf, type TaskBins } from "../../../src/federation/site_evaluation/evaluation_model.ts";
import { figuresOf } from "../../../src/federation/site_evaluation/histogram_metrics.ts";
import { histogramsOf } from "../../../src/federation/site_evaluation/histogram.ts";
import { estimatesOf, projected } from "../../../src/federation/site_evaluation/intervals.ts";
import { taskBins } from "../../../src/federation/site_evaluation/public_bins.ts";
import { crossSiteMarkdown, crossSiteResult } from "../../../src/federation/site_evaluation/mod.ts";
import { seededWords } from "../../_seeded.ts";
import { planWithEvaluation } from "./_plan.ts";

interface Scored {
  readonly scores: number[];
  readonly labels: number[];
}

/** Scores that mean something: logit of the label's probability. */
function scored(random: SeededRandom, n: number): Scored {
  const scores = Array.from({ length: n }, () => 1.5 * random.normal() - 1);
  return { scores, labels: scores.map((score) => random.next() < 1 / (1 + Math.exp(-score)) ? 1 : 0) };
}

function counted({ scores, labels }: Scored, bins: TaskBins, most: number): { no: number[]; yes: number[] } {
  const counts = { no: new Array<number>(most).fill(0), yes: new Array<number>(most).fill(0) };
  scores.forEach((score, i) => counts[labels[i] === 1 ? "yes" : "no"][binOf(bins, score)]++);
  return counts;
}

const MOST = 10;
const random = new SeededRandom(11);
const publicScores = scored(random, 400);
const bins = taskBins(publicScores.scores, publicScores, MOST);

Deno.test("bins come from public scores: K of them, with the decision threshold as an edge", () => {
  assert.equal(bins.edges.length, MOST - 1);
  assert.ok(bins.calibrated);
  assert.ok(bins.probabilities.every((p, i) => i === 0 || p > bins.probabilities[i - 1]));
  const called = publicScores.scores.filter((score) => binOf(bins, score) >= bins.firstYes).length;
  assert.equal(called, publicScores.scores.filter((score) => score > bins.edges[bins.firstYes - 1]).length);
  const alone = taskBins([], { scores: [], labels: [] }, MOST);
  assert.deepEqual(alone, { edges: [0], probabilities: [0.5, 0.5], firstYes: 1, calibrated: false });
});

Deno.test("without noise accuracy is exact, and area and Brier score are those of the binned scores", () => {
  const data = scored(random, 3000);
  const found = figuresOf(counted(data, bins, MOST), bins);
  const threshold = bins.edges[bins.firstYes - 1];
  assert.equal(found.accuracy, accuracy(data, threshold));
  const binned = { scores: data.scores.map((score) => binOf(bins, score)), labels: data.labels };
  assert.ok(Math.abs(found.auroc! - auroc(binned)!) < 1e-12);
  assert.ok(Math.abs(found.auroc! - auroc(data)!) < 0.01, "ten bins cost less than 0.01 of the area");
  assert.ok(Math.abs(found.brier! - brier(data)!) < 0.01);
  assert.ok(Math.abs(found.calibrationInTheLarge!) < 0.03);
  assert.equal(found.n, 3000);
});

Deno.test("figures are undefined, not NaN, where a class or everybody is missing", () => {
  const nobody = figuresOf({ no: new Array(MOST).fill(0), yes: new Array(MOST).fill(0) }, bins);
  assert.deepEqual([nobody.auroc, nobody.accuracy, nobody.brier], [undefined, undefined, undefined]);
  const oneClass = figuresOf({ no: new Array(MOST).fill(2), yes: new Array(MOST).fill(0) }, bins);
  assert.deepEqual([oneClass.auroc, oneClass.sensitivity], [undefined, undefined]);
  assert.ok(oneClass.accuracy! > 0);
});

Deno.test("counts are made plausible without changing their total", () => {
  assert.deepEqual(projected([3, -1, 2]), [2.5, 0, 1.5]);
  assert.deepEqual(projected([-3, 1]), [0, 0]);
  assert.deepEqual(projected([]), []);
  const counts = Array.from({ length: 30 }, () => 10 * random.normal() + 4);
  const total = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
  const plausible = projected(counts);
  assert.ok(plausible.every((count) => count >= 0));
  assert.ok(Math.abs(total(plausible) - total(counts)) < 1e-9);
});

Deno.test("95 % intervals under noise hold the figures of the whole population at least nine times in ten", () => {
  const whole = scored(new SeededRandom(5), 100_000);
  const truth = figuresOf(counted(whole, bins, MOST), bins);
  const runs = 60;
  const draw = new SeededRandom(8);
  const held = { auroc: 0, accuracy: 0, brier: 0, calibrationInTheLarge: 0 };
  for (let run = 0; run < runs; run++) {
    const { no, yes } = counted(scored(draw, 800), bins, MOST);
    const noise = 8;
    const noisy = (count: number) => count + noise * draw.normal();
    const found = estimatesOf({ no: no.map(noisy), yes: yes.map(noisy), noise }, bins, run);
    for (const name of ["auroc", "accuracy", "brier", "calibrationInTheLarge"] as const) {
      const { low, high } = found[name]!;
      if (low! <= truth[name]! && truth[name]! <= high!) held[name]++;
    }
  }
  for (const [name, count] of Object.entries(held)) {
    assert.ok(count >= 0.9 * runs, `${name}: ${count} of ${runs}`);
  }
});

Deno.test("noise widens the intervals", () => {
  const counts = counted(scored(random, 2000), bins, MOST);
  const width = (noise: number) => {
    const { auroc } = estimatesOf({ ...counts, noise }, bins, 1);
    return auroc!.high! - auroc!.low!;
  };
  assert.ok(width(10) > 1.5 * width(0.1));
});

/** A sum of four sites with so many held-out patients, of whom one in twenty states no age. */
function releasedSum(epsilon: number, patients: number, seed: number) {
  const plan = planWithEvaluation({ epsilon });
  const { evaluation } = plan;
  const draw = new SeededRandom(seed), noise = seededWords(seed);
  const task = taskBins(publicScores.scores, publicScores, evaluation.bins);
  const sum = new Uint32Array(evaluation.dp.request.dimension);
  for (let site = 0; site < 4; site++) {
    const data = scored(draw, patients / 4);
    const own = new Float64Array(sum.length);
    data.scores.forEach((score, i) => {
      const age = i % 20 === 0 ? 3 : i % 3;
      const record = {
        task: 0,
        label: data.labels[i],
        bin: binOf(task, score),
        groups: [0, 1 + age, 5 + i % 2],
      };
      addUnit(own, evaluation, [record], evaluation.dp.request.populations[0].maxGradNorm);
    });
    encodeUpdate(evaluation.dp, own, noise).forEach((value, i) => sum[i] += value);
  }
  return { plan, sum, bins: { icu_shock: task } };
}

Deno.test("the released counts have the noise that they are said to have", () => {
  const { plan, sum } = releasedSum(2, 0, 1);
  const histograms = histogramsOf(plan.evaluation, plan.model.spec, sum, 4)[0];
  const values = histograms.flatMap(({ no, yes }) => [...no, ...yes]);
  const { noise } = histograms[0];
  const spread = Math.sqrt(values.reduce((all, value) => all + value * value, 0) / values.length);
  // Six standard errors of a standard deviation: a false alarm in 5e8 runs.
  assert.ok(Math.abs(spread / noise - 1) < 6 / Math.sqrt(2 * values.length), `${spread} against ${noise}`);
});

Deno.test("results are given by group where the counts allow, and a group that is too small is suppressed", () => {
  const { plan, sum, bins } = releasedSum(8, 2000, 2);
  const result = crossSiteResult(plan.evaluation, plan.model.spec, bins, sum, 4);
  const { groups } = result.tasks.icu_shock;
  const of = (dimension: string, level: string) =>
    groups.find((group) => group.dimension === dimension && group.level === level)!;
  const all = of("all", "all");
  assert.ok(!all.suppressed);
  assert.ok(Math.abs(all.figures.n!.value - 2000) < 6 * result.tasks.icu_shock.noise * Math.sqrt(8));
  const sexes = [of("sex", "Female"), of("sex", "Male")].filter(({ suppressed }) => !suppressed);
  assert.equal(
    sexes.length,
    1,
    "the smaller one would say the number of those who state none, by subtraction",
  );
  assert.ok(!of("age", "below 45").suppressed);
  const nobody = of("sex", "not stated");
  assert.ok(nobody.suppressed, "nobody is in this group");
  assert.deepEqual(Object.keys(nobody).sort(), ["dimension", "level", "reason", "suppressed"]);
  const strict = { ...plan.evaluation, minimumCount: 1500 };
  const fewer = crossSiteResult(strict, plan.model.spec, bins, sum, 4).tasks.icu_shock.groups;
  assert.deepEqual(fewer.filter(({ suppressed }) => !suppressed).map(({ level }) => level), ["all"]);
  const text = crossSiteMarkdown(result).join("\n");
  assert.match(text, /\| icu_shock \| sex: (Fem|M)ale \| \d+ \(/);
  assert.match(text, /\| icu_shock \| sex: (Fem|M)ale or not stated \| \d+ \(/);
  assert.match(text, /\| icu_shock \| sex: not stated \| (too few|hidden by the noise) \|/);
  assert.doesNotMatch(text, /NaN|undefined/);
});

Deno.test("with nobody behind the counts and much noise nothing is claimed", () => {
  let claimed = 0;
  const runs = 25;
  for (let seed = 0; seed < runs; seed++) {
    const { plan, sum, bins } = releasedSum(1, 0, seed);
    const { groups } = crossSiteResult(plan.evaluation, plan.model.spec, bins, sum, 4).tasks.icu_shock;
    claimed += groups.filter(({ suppressed }) => !suppressed).length;
  }
  // Three deviations on one side: 0.0013 of all groups, of which there are 200 here.
  assert.ok(claimed <= 2, `${claimed} groups of ${runs} releases without patients were shown`);
});
