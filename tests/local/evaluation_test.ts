import assert from "node:assert/strict";
import {
  bootstrap,
  calibrationError,
  createSpec,
  decodeAnswers,
  evaluateParts,
  figuresOf,
  type HeadSpec,
  type Judged,
  prepareFeatures,
  pretrainOnPublic,
  reliability,
  type SiteData,
} from "../../src/local/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { LETTERS, madeUpSite, manifestOf, record, task, TASKS } from "./_fixtures.ts";

// All constants of this file: scikit-learn 1.9.1 (calibration_curve, roc_auc_score, f1_score, accuracy_score,
// mean_squared_error, mean_absolute_error, r2_score) on the same numbers.
const close = (actual: number | undefined, expected: number): void => {
  assert.ok(actual !== undefined && Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);
};

Deno.test("reliability() and calibrationError() agree with scikit-learn's calibration_curve", () => {
  const labels = [0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0];
  const scores = [-1.2, 0.3, 2.1, 0.3, -0.4, -2, 0.9, 0.3, 1.5, -0.4, 0.1, 0];
  const bins = reliability({ scores, labels }, 5);
  assert.deepEqual(bins.map(({ count }) => count), [1, 1, 7, 1, 2]);
  [0, 0, 0.5714285714285714, 0, 1].forEach((value, bin) => close(bins[bin].observed, value));
  [0.11920292202211755, 0.23147521650098238, 0.5072759168127162, 0.7109495026250039, 0.8542388274990154]
    .forEach((value, bin) => close(bins[bin].predicted, value));
  close(calibrationError({ scores, labels }, 5), 0.1501848807050883);
});

const SCORES = [
  ...[0.5, 0.1, -0.2, 0, 0.3, 1.2, 0.2, 0.1, 0.4, -0.5, 0.6, 0.2],
  ...[1.1, 0.3, 0.2, 0.1, 0.9, 0.8, 0.3, 0.2, 0.25, 0, 0.1, 0.7],
];
const CLASSES = [0, 2, 1, 2, 0, 1, 1, 2];
const oneHot: Judged = {
  outputs: 3,
  scores: SCORES,
  labels: CLASSES.flatMap((label) => [0, 1, 2].map((k) => (k === label ? 1 : 0))),
};

Deno.test("figures of multiclass, multilabel and regression tasks agree with scikit-learn", () => {
  const of = (type: HeadSpec["type"], data: Judged, name: string): number | undefined =>
    figuresOf(type)[name](data);
  close(of("multiclass", oneHot, "accuracy"), 0.625);
  close(of("multiclass", oneHot, "macroF1"), 0.6222222222222222);
  close(of("multiclass", oneHot, "macroAuroc"), 0.7444444444444445);
  const labels = [[1, 0, 0], [1, 0, 1], [0, 1, 1], [1, 0, 1], [1, 0, 0], [0, 1, 1], [0, 1, 1], [1, 0, 1]];
  const multilabel = { ...oneHot, labels: labels.flat() };
  close(of("multilabel", multilabel, "macroAuroc"), 0.6305555555555555);
  close(of("multilabel", multilabel, "macroF1"), 0.6228438228438229);
  close(of("multilabel", multilabel, "accuracy"), 0.5);
  const numbers = { outputs: 1, scores: [1.2, 0.1, 0.4, 1.5, -0.7], labels: [1.5, -0.2, 0.3, 2, -1.1] };
  close(of("regression", numbers, "rmse"), 0.3464101615137755);
  close(of("regression", numbers, "meanAbsoluteError"), 0.32000000000000006);
  close(of("regression", numbers, "r2"), 0.9053627760252365);
});

Deno.test("figures are absent with one class only, without records and for constant targets", () => {
  for (const type of ["binary", "multiclass", "open", "multilabel", "regression"] as const) {
    const nobody = { outputs: 2, scores: [], labels: [] };
    for (const figure of Object.values(figuresOf(type))) assert.equal(figure(nobody), undefined);
  }
  const ones = { outputs: 1, scores: [0.2, 0.3], labels: [1, 1] };
  assert.equal(figuresOf("binary").auroc(ones), undefined);
  assert.equal(figuresOf("regression").r2(ones), undefined);
  assert.equal(bootstrap(ones, ["a", "b"], figuresOf("binary").auroc), undefined);
});

/** Labels around scores, one record per unit. */
function noisy(count: number, seed: number): Judged {
  const random = new SeededRandom(seed);
  const scores = Array.from({ length: count }, () => random.normal());
  return { outputs: 1, scores, labels: scores.map((score) => score + 0.5 * random.normal()) };
}

Deno.test("a bootstrap interval of a mean is as wide as the theory says, and covers as often", () => {
  const error = figuresOf("regression").meanAbsoluteError;
  let covered = 0;
  for (let seed = 1; seed <= 100; seed++) {
    const data = noisy(80, seed);
    const names = Array.from({ length: 80 }, (_, row) => String(row));
    const { value, low = NaN, high = NaN } = bootstrap(data, names, error, {
      resamples: 300,
      level: 0.9,
      seed,
    }) ?? {
      value: NaN,
    };
    assert.ok(low <= value && value <= high);
    // Mean of |N(0, 0.5^2)|; 90 % intervals cover at least 80 of 100 but for a chance of 0.2 %.
    const truth = 0.5 * Math.sqrt(2 / Math.PI);
    if (low <= truth && truth <= high) covered++;
    const deviation = 0.5 * Math.sqrt(1 - 2 / Math.PI) / Math.sqrt(80);
    assert.ok(high - low > 1.2 * 1.645 * deviation && high - low < 3 * 1.645 * deviation);
  }
  assert.ok(covered >= 80 && covered < 100, `${covered} of 100`);
});

Deno.test("bootstrap() draws units: a patient's copied records do not narrow the interval", () => {
  const data = noisy(50, 3);
  const names = Array.from({ length: 50 }, (_, row) => String(row));
  const twice = (values: ArrayLike<number>): number[] =>
    Array.from(values).flatMap((value) => [value, value]);
  const copied = { outputs: 1, scores: twice(data.scores), labels: twice(data.labels) };
  const { rmse } = figuresOf("regression");
  const once = bootstrap(data, names, rmse);
  const doubled = bootstrap(copied, names.flatMap((name) => [name, name]), rmse);
  close(doubled?.low, once?.low ?? NaN);
  close(doubled?.high, once?.high ?? NaN);
  assert.deepEqual(bootstrap(data, names, rmse), once);
});

Deno.test("evaluateParts() judges every task per part and pooled, with units of different parts kept apart", async () => {
  await selectBackend("wasm");
  const publicData = madeUpSite(1, [2, 3, 1, 4]);
  const spec = createSpec(publicData, TASKS, { dEnc: 8, hidden: 5, tokenDimension: 6 });
  const weights = await pretrainOnPublic(spec, publicData, LETTERS, { seed: 7, steps: 1 });
  const parts = new Map([4, 5].map((seed) => {
    return [`site-${seed}`, prepareFeatures(spec, weights, madeUpSite(seed, [3, 2, 5]), LETTERS)] as const;
  }));
  const found = await evaluateParts(spec, weights, parts, { resamples: 20, level: 0.9, seed: 1 });
  assert.deepEqual(Object.keys(found), TASKS);
  for (const { parts, pooled } of Object.values(found)) {
    const each = Object.values(parts);
    assert.equal(pooled.n, each.reduce((sum, { n }) => sum + n, 0));
    assert.equal(pooled.units, each.reduce((sum, { units }) => sum + units, 0));
    assert.ok(Object.keys(pooled.figures).length > 0);
  }
  const bins = found.pneumonia.pooled.reliability ?? [];
  assert.equal(bins.reduce((sum, { count }) => sum + count, 0), found.pneumonia.pooled.n);
});

/** A set with an open question about one number. */
function openSite(answers: readonly (string | null)[]): SiteData {
  const manifest = manifestOf("qa", { x: { kind: "vector", field: "x", channels: ["a", "b"] } }, [
    task("organ", ["x"], { type: "open" }),
  ]);
  const records = answers.map((answer, r) => {
    const side = answer?.toLowerCase().startsWith("lung") === true ? 1 : -1;
    const data = Float32Array.of(side + r / 100, -side);
    return record(`r${r}`, `p${r}`, { x: { kind: "vector", data } }, { organ: answer });
  });
  return {
    name: "qa",
    dir: "qa",
    withheldRecords: 0,
    sets: [{
      name: "qa",
      manifest,
      records,
      units: records.map(({ patient }) => patient),
      withheld: { patients: 0, records: 0 },
    }],
  };
}

Deno.test("an open task is answered from the public answers; others count as missed and train nobody", async () => {
  await selectBackend("wasm");
  const publicData = openSite(["lungs", "Heart.", " lungs ", "heart", "Lungs", null, "heart", "lungs"]);
  const spec = createSpec(publicData, ["organ"], { dEnc: 4, hidden: 2 });
  assert.deepEqual(spec.heads[0].answers, ["lungs", "heart"]);
  const weights = await pretrainOnPublic(spec, publicData, undefined, { seed: 1, steps: 40 });
  const site = prepareFeatures(spec, weights, openSite(["heart", "lungs", "spleen", null]));
  const { organ } = await evaluateParts(spec, weights, new Map([["site", site]]));
  assert.equal(organ.pooled.n, 3);
  close(organ.pooled.figures.accuracy.value, 2 / 3);
  assert.deepEqual(decodeAnswers(spec.heads[0], [2, 1, -1, 0]), [["lungs"], ["heart"]]);
  assert.throws(() => createSpec(openSite(["lungs", "lungs"]), ["organ"]), { code: "DatasetError" });
  assert.throws(() => decodeAnswers({ ...spec.heads[0], answers: undefined } as unknown as HeadSpec, []), {
    code: "ConfigError",
  });
});
