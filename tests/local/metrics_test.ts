import assert from "node:assert/strict";
import fc from "fast-check";
import { accuracy, auprc, auroc, binaryMetrics, brier, f1 } from "../../src/local/mod.ts";

const labels = [0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0];
const scores = [-1.2, 0.3, 2.1, 0.3, -0.4, -2, 0.9, 0.3, 1.5, -0.4, 0.1, 0];

const scored = fc.array(fc.record({ score: fc.integer({ min: -5, max: 5 }), label: fc.nat(1) }), {
  maxLength: 40,
})
  .map((rows) => ({ scores: rows.map((row) => row.score), labels: rows.map((row) => row.label) }));

Deno.test("metrics agree with scikit-learn 1.9.1 on tied scores", () => {
  // roc_auc, average_precision, accuracy and f1 at threshold 0, brier_score_loss of the sigmoid.
  const close = (actual: number | undefined, expected: number): void => {
    assert.ok(actual !== undefined && Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);
  };
  close(auroc({ scores, labels }), 0.7638888888888891);
  close(auprc({ scores, labels }), 0.7746031746031745);
  close(accuracy({ scores, labels }), 0.75);
  close(f1({ scores, labels }), 0.7692307692307693);
  close(brier({ scores, labels }), 0.19214386040397935);
});

Deno.test("auroc() is the share of ordered pairs, ties counting one half", () => {
  fc.assert(fc.property(scored, (data) => {
    let pairs = 0, right = 0;
    data.labels.forEach((a, i) =>
      data.labels.forEach((b, j) => {
        if (a !== 1 || b !== 0) return;
        pairs++;
        right += data.scores[i] > data.scores[j] ? 1 : data.scores[i] === data.scores[j] ? 0.5 : 0;
      })
    );
    const found = auroc(data);
    if (pairs === 0) assert.equal(found, undefined);
    else assert.ok(Math.abs((found ?? NaN) - right / pairs) < 1e-12);
  }));
});

Deno.test("auroc() and auprc() see only the order of the scores", () => {
  fc.assert(fc.property(scored, ({ scores, labels }) => {
    const stretched = scores.map((score) => Math.exp(score) + 3 * score);
    assert.equal(auroc({ scores: stretched, labels }), auroc({ scores, labels }));
    assert.equal(auprc({ scores: stretched, labels }), auprc({ scores, labels }));
  }));
});

Deno.test("metrics are absent, not wrong, where they are not defined", () => {
  assert.equal(auroc({ scores: [1, 2], labels: [1, 1] }), undefined);
  assert.equal(auprc({ scores: [1, 2], labels: [0, 0] }), undefined);
  assert.equal(accuracy({ scores: [], labels: [] }), undefined);
  assert.deepEqual(binaryMetrics({ scores: [], labels: [] }), { n: 0, positives: 0 });
});

Deno.test("auroc() refuses scores that are not numbers instead of ranking them", () => {
  assert.throws(() => auroc({ scores: [1, NaN], labels: [0, 1] }), { code: "ModelError" });
  assert.throws(() => auroc({ scores: [1], labels: [0, 1] }), { code: "ModelError" });
});
