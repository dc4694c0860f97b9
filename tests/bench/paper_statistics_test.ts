import assert from "node:assert/strict";
import fc from "fast-check";
import type { Cell, JobResult, TaskTruth } from "../../bench/paper/_outcome.ts";
import { pairedBootstrap, weightedAuroc } from "../../bench/paper/_paired_bootstrap.ts";
import { LOCAL_HEADS, settingName } from "../../bench/paper/_settings.ts";
import { difference, meanAuroc } from "../../bench/paper/_tables.ts";
import { agreement, withinFolds } from "../../bench/paper/_within_folds.ts";
import { auroc } from "../../src/local/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";

const rising = (scores: readonly number[]): number[] =>
  scores.map((_, row) => row).sort((a, b) => scores[a] - scores[b]);

Deno.test("a record of weight w counts like w copies of it", () => {
  const row = fc.tuple(
    fc.integer({ min: 0, max: 5 }),
    fc.integer({ min: 0, max: 1 }),
    fc.integer({ min: 0, max: 3 }),
  );
  fc.assert(fc.property(fc.array(row, { minLength: 2, maxLength: 30 }), (rows) => {
    const [scores, labels, weights] = [0, 1, 2].map((column) => rows.map((values) => values[column]));
    const copies = rows.flatMap(([score, label, weight]) => new Array(weight).fill({ score, label }));
    const wanted = auroc({
      scores: copies.map(({ score }) => score),
      labels: copies.map(({ label }) => label),
    });
    const found = weightedAuroc(scores, labels, Float64Array.from(weights), rising(scores));
    if (wanted === undefined) assert.equal(found, undefined);
    else assert.ok(Math.abs(found! - wanted) < 1e-12);
  }));
});

/** Two methods' scores on `people` x 3 records: signal times its strength plus noise. */
function trial(seed: number, strengths: readonly number[], people: number) {
  const random = new SeededRandom(seed);
  const labels = Array.from({ length: people * 3 }, () => random.integer(2));
  const truth: TaskTruth = {
    role: "train",
    set: "s",
    labels,
    people: labels.map((_, row) => `p${Math.floor(row / 3)}`),
  };
  const runs = strengths.map((strength) =>
    [1, 2].map(() => new Map([["t", labels.map((label) => strength * label + random.normal())]]))
  );
  return { truth: { t: truth }, runs };
}

Deno.test("equal methods differ by exactly zero, whatever is drawn", () => {
  const { truth, runs } = trial(1, [1], 40);
  const found = pairedBootstrap(truth, ["t"], runs[0], runs[0], { resamples: 200, seed: 3 });
  assert.deepEqual(found, { value: 0, low: 0, high: 0, seeds: 2 });
});

Deno.test("a clear difference has an interval above zero, and the other way round below", () => {
  const { truth, runs: [strong, weak] } = trial(2, [2, 0.2], 120);
  const found = pairedBootstrap(truth, ["t"], strong, weak, { resamples: 400, seed: 3 });
  assert.ok(found.low > 0 && found.low < found.value && found.value < found.high);
  const reversed = pairedBootstrap(truth, ["t"], weak, strong, { resamples: 400, seed: 3 });
  assert.ok(reversed.high < 0);
});

Deno.test("methods of equal quality are told apart in about one trial of twenty", () => {
  let wrong = 0;
  for (let seed = 0; seed < 100; seed++) {
    const { truth, runs } = trial(100 + seed, [1, 1], 60);
    const { low, high } = pairedBootstrap(truth, ["t"], runs[0], runs[1], { resamples: 200, seed });
    if (low > 0 || high < 0) wrong++;
  }
  // Binomial(100, 0.05) exceeds 16 with probability 1e-5.
  assert.ok(wrong <= 16, `${wrong} of 100`);
});

Deno.test("records of one person are drawn together", () => {
  // Two people: whoever is drawn twice leaves one class alone or both, so no interval is narrower than the people.
  const labels = [1, 1, 1, 0, 0, 0];
  const truth: TaskTruth = { role: "train", set: "s", labels, people: ["a", "a", "a", "b", "b", "b"] };
  const scores = [new Map([["t", [3, 2, 1, 2.5, 0.5, 0.1]]])];
  const { value, low, high } = pairedBootstrap({ t: truth }, ["t"], scores, undefined, {
    resamples: 100,
    seed: 1,
  });
  assert.deepEqual([low, high], [value, value]);
});

Deno.test("scores of different folds are never compared with each other", () => {
  const fold = (scores: number[], labels: number[]): JobResult => ({
    cells: [{ setting: "x", method: "m", seed: 1, tasks: { t: { kind: "binary", scores, threshold: 0 } } }],
    truth: { t: { role: "train", set: "s", labels, people: labels.map(String) } },
    seconds: 0,
  });
  const folds = [fold([1, 2], [0, 1]), fold([101, 102, 103], [0, 0, 1]), fold([5], [1])];
  assert.equal(withinFolds(folds, "m", "t"), 1);
  assert.equal(withinFolds(folds, "other", "t"), undefined);
});

Deno.test("a difference is taken over the seeds that both methods have, whatever else was run", () => {
  const setting = { backbone: "distributed", epsilon: "8" } as const;
  const labels = [0, 1, 0, 1];
  const cell = (method: string, seed: number, scores: number[]): Cell => ({
    setting: settingName(setting),
    method,
    seed,
    tasks: { t: { kind: "binary", scores, threshold: 0 } },
  });
  const results = {
    cells: [
      cell("a", 1, [0, 1, 0, 1]),
      cell("a", 2, [1, 0, 1, 0]),
      cell("a", 3, [0, 1, 1, 0]),
      cell("b", 2, [0, 1, 0, 1]),
      cell("b", 4, [0, 0, 0, 0]),
    ],
    truth: { t: { role: "train", set: "s", labels, people: ["p", "q", "r", "s"] } as const },
  };
  const [a, b] = [{ setting, method: "a" }, { setting, method: "b" }];
  const found = difference(results, a, b, ["t"])!;
  assert.deepEqual([found.value, found.seeds], [-1, 1]);
  assert.equal(meanAuroc(results, a, ["t"])!.value, 0.5);
  assert.equal(difference(results, a, { setting, method: "c" }, ["t"]), undefined);
});

Deno.test("a variant that follows the heads agrees with them, whatever its scale, and a reversed one does not", () => {
  const cell = (method: string, scores: number[]): Cell => ({
    setting: "x",
    method,
    seed: 1,
    tasks: { t: { kind: "binary", scores, threshold: 0 } },
  });
  const cells = [cell(LOCAL_HEADS, [1, 2, 4]), cell("same", [10, 30, 70]), cell("reversed", [-1, -2, -4])];
  const fold = { cells, truth: {}, seconds: 0 };
  assert.ok(Math.abs(agreement([fold], "same", ["t"])! - 1) < 1e-12);
  assert.ok(Math.abs(agreement([fold], "reversed", ["t"])! + 1) < 1e-12);
  assert.equal(agreement([fold], "absent", ["t"]), undefined);
});
