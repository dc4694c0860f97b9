import assert from "node:assert/strict";
import fc from "fast-check";
import { f1 } from "../../src/local/mod.ts";
import { bestThreshold, prevalenceThreshold } from "../../src/federation/thresholds.ts";

const cases = fc.array(fc.record({ score: fc.double({ min: -9, max: 9, noNaN: true }), label: fc.nat(1) }), {
  minLength: 2,
  maxLength: 40,
});

Deno.test("no threshold has a better F1 than bestThreshold()", () => {
  fc.assert(fc.property(cases, (records) => {
    const scores = records.map(({ score }) => score);
    const labels = records.map(({ label }) => label);
    const f1At = (threshold: number) => f1({ scores, labels }, threshold) ?? 0;
    const best = f1At(bestThreshold(scores, labels));
    for (const score of scores) assert.ok(f1At(score - 1e-12) <= best + 1e-12);
  }));
});

Deno.test("prevalenceThreshold() lets the asked share of distinct scores through, within one record", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 200 }),
      fc.double({ min: 0.05, max: 0.95, noNaN: true }),
      (n, share) => {
        const scores = Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898) * 43758.5453 % 7 + i * 1e-6);
        const threshold = prevalenceThreshold(scores, share);
        const above = scores.filter((score) => score > threshold).length;
        assert.ok(Math.abs(above - share * n) <= 1.01, `${above} of ${n} for ${share}`);
      },
    ),
  );
});
