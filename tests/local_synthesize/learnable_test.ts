import assert from "node:assert/strict";
import {
  type GeneratedSet,
  generateSet,
  type SetName,
  SITE_PROFILES,
} from "../../src/local/synthesize/mod.ts";
import {
  ecgFeatures,
  ecgWindow,
  gridFeatures,
  icuFeatures,
  imputer,
  labelOf,
  type Loose,
  records,
} from "./_features.ts";
import { type Labelled, testAuroc } from "./_logistic.ts";

const SEED = 20240816;

/** Generates a set for some parts, with the default demo's sizes or others. */
function parts(name: SetName, folders: RegExp, patients: number): GeneratedSet[] {
  return SITE_PROFILES.filter(({ folder }) => folders.test(folder))
    .map((profile) => generateSet(name, SEED, profile, patients));
}

/** Labelled rows of sets for a task. */
function labelled(
  sets: GeneratedSet[],
  path: string,
  features: (set: GeneratedSet, r: Loose) => number[],
): Labelled {
  const rows = sets.flatMap((set) => records(set).map((record) => ({ set, record })))
    .filter(({ record }) => labelOf(record, path) !== null);
  return {
    x: rows.map(({ set, record }) => features(set, record)),
    y: rows.map(({ record }) => labelOf(record, path) as number),
  };
}

const ICU_TASKS: readonly (readonly [string, readonly string[], number])[] = [
  ["mortality", ["vitals", "labs"], 0.68],
  ["ventilated_day1", ["labs", "inputs", "outputs"], 0.75],
  ["shock", ["vitals", "labs"], 0.75],
  ["respiratory_failure", ["vitals", "labs", "inputs", "outputs"], 0.7],
  ["kidney_injury_after_24h", ["vitals", "labs", "outputs"], 0.75],
  ["stay_over_72h", ["vitals", "labs"], 0.65],
];

Deno.test("every ICU label can be learned from summaries of its modalities, at the default sizes", async (t) => {
  const train = parts("icu", /^site-|public/, 105);
  const test = parts("icu", /^test/, 155);
  for (const [label, modalities, floor] of ICU_TASKS) {
    await t.step(label, () => {
      const features = (_: GeneratedSet, record: Loose) => icuFeatures(record, modalities);
      const [fit, held] = [train, test].map((sets) => labelled(sets, `labels.${label}`, features));
      const fill = imputer(fit.x);
      const auroc = testAuroc({ x: fit.x.map(fill), y: fit.y }, { x: held.x.map(fill), y: held.y });
      assert.ok(auroc > floor, `AUROC ${auroc.toFixed(3)} of ${label}, wanted ${floor}`);
    });
  }
});

Deno.test("pneumonia can be learned from an 8 x 8 grid of the chest phantoms, but not perfectly", () => {
  const features = (set: GeneratedSet, record: Loose) => gridFeatures(set, record.image as number, 8);
  const fit = labelled(parts("cxr", /^site-|public/, 46), "labels.pneumonia", features);
  const auroc = testAuroc(fit, labelled(parts("cxr", /^test/, 66), "labels.pneumonia", features));
  assert.ok(auroc > 0.75 && auroc < 1, `AUROC ${auroc.toFixed(3)}`);
});

Deno.test("ectopic beats and atrial fibrillation can be learned from rhythm and slow waves of the ECG", async (t) => {
  const features = (set: GeneratedSet, record: Loose) => ecgFeatures(ecgWindow(set, record.ecg as number));
  const [train, test] = [parts("ecg", /^site-|public/, 8), parts("ecg", /^test/, 14)];
  for (const [label, floor] of [["pvc", 0.85], ["atrial_fibrillation", 0.75]] as const) {
    await t.step(label, () => {
      const [fit, held] = [train, test].map((sets) => labelled(sets, `labels.${label}`, features));
      const auroc = testAuroc(fit, held);
      assert.ok(auroc > floor, `AUROC ${auroc.toFixed(3)} of ${label}`);
    });
  }
});

/** Deviations of grids from their mean, signed and absolute: a lesion is darker or brighter than its surroundings. */
function deviations(mean: readonly number[]): (picture: readonly number[]) => number[] {
  return (picture) => {
    const signed = picture.map((value, j) => value - mean[j]);
    return [...signed, ...signed.map(Math.abs)];
  };
}

/** The mean of rows, column by column. */
const meanOf = (rows: readonly number[][]): number[] =>
  rows[0].map((_, j) => rows.reduce((sum, row) => sum + row[j], 0) / rows.length);

/** Everything asked with these words in these sets: a grid of the picture and the answer. */
function asked(
  sets: GeneratedSet[],
  question: string,
  label: string,
): { picture: number[]; answer: unknown }[] {
  return sets.flatMap((set) =>
    records(set).filter((record) => record.question === question).map((record) => ({
      picture: gridFeatures(set, record.image as number, 12),
      answer: labelOf(record, `labels.${label}`),
    }))
  );
}

Deno.test("the answer to each yes-or-no question depends on the picture, not on the question alone", async (t) => {
  const [train, test] = [parts("vqa", /^site-midwest|public/, 100), parts("vqa", /^test/, 100)];
  for (const label of ["chest_yesno", "other_yesno"]) {
    const answered = train.flatMap(records).filter((record) => labelOf(record, `labels.${label}`) !== null);
    for (const question of new Set(answered.map((record) => record.question as string))) {
      await t.step(`${label}: ${question}`, () => {
        const [fit, held] = [train, test].map((sets) => asked(sets, question, label));
        const features = deviations(meanOf(fit.map(({ picture }) => picture)));
        const [fitted, unseen] = [fit, held].map((rows) => ({
          x: rows.map(({ picture }) => features(picture)),
          y: rows.map(({ answer }) => answer as number),
        }));
        const auroc = testAuroc(fitted, unseen);
        assert.ok(auroc > 0.7, `AUROC ${auroc.toFixed(3)}`);
      });
    }
  }
});

Deno.test("an open question has several answers, and the picture tells which", () => {
  const question = "In which hemisphere is the lesion?";
  const [train, test] = [parts("vqa", /^site-|public/, 60), parts("vqa", /^test/, 120)]
    .map((sets) => asked(sets, question, "open_answer"));
  assert.deepEqual(
    new Set(train.map(({ answer }) => answer)),
    new Set(["left hemisphere", "right hemisphere"]),
  );
  const mean = meanOf(train.map(({ picture }) => picture));
  // The patient's right is on the left of the picture: compare the deviation of the two halves.
  const half = (picture: number[], left: boolean) =>
    picture.reduce((sum, value, j) => sum + ((j % 12 < 6) === left ? (value - mean[j]) ** 2 : 0), 0);
  const right =
    test.filter(({ picture, answer }) =>
      answer === (half(picture, true) > half(picture, false) ? "right hemisphere" : "left hemisphere")
    ).length;
  assert.ok(right / test.length > 0.8, `${right} of ${test.length}`);
});
