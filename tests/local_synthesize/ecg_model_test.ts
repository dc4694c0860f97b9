import assert from "node:assert/strict";
import fc from "fast-check";
import { type Beat, integrateEcg, NORMAL_WAVES } from "../../src/local/synthesize/mod.ts";

const RATE = 100;
const beatsOf = (rrs: number[]): Beat[] => rrs.map((rr) => ({ rr, waves: NORMAL_WAVES }));

/** Sample positions of local maxima above 0.6 mV, which only R waves reach. */
function peaks(signal: Float64Array): number[] {
  return Array.from(signal.keys()).filter((i) =>
    signal[i] > 0.6 && signal[i] >= (signal[i - 1] ?? -9) && signal[i] > (signal[i + 1] ?? -9)
  );
}

Deno.test("R peaks come exactly as far apart as the R-R intervals asked for", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.5, max: 1.4, noNaN: true }), { minLength: 4, maxLength: 8 }),
      (rrs) => {
        const found = peaks(integrateEcg(beatsOf([...rrs, 1, 1]), 12, RATE, 0.25));
        const at = rrs.map((_, i) => rrs.slice(0, i + 1).reduce((sum, rr) => sum + rr, 0));
        at.forEach((time, i) => {
          // One integration step a beat is the model's own resolution.
          assert.ok(
            Math.abs(found[i + 1] / RATE - time) <= 0.01 + 0.005 * (i + 1),
            `beat ${i}: ${found[i + 1]}`,
          );
        });
      },
    ),
    { numRuns: 25 },
  );
});

Deno.test("waves have the published order and signs, P before Q before R before S before T", () => {
  const signal = integrateEcg(beatsOf([1, 1, 1, 1, 1, 1]), 5, RATE, 0.25);
  // The third beat: P at -1/6 s, Q at -1/24 s, S at 1/24 s, T at 1/4 s from its R peak (theta / 2 pi seconds).
  const value = (seconds: number) => signal[Math.round((3 + seconds) * RATE)];
  const level = value(-0.35);
  assert.ok(value(-1 / 6) - level > 0.1, "P is upright");
  assert.ok(value(0) - level > 0.9 && value(0) - level < 1.5, "R is about 1.2 mV");
  assert.ok(value(0.045) < value(-1 / 6) && value(-0.045) < value(0), "Q and S are valleys beside R");
  assert.ok(value(0.25) - level > 0.2, "T is upright");
});

Deno.test("the height of R does not depend on the heart rate", () => {
  const heights = [0.5, 0.8, 1.2].map((rr) => {
    const signal = integrateEcg(beatsOf(Array(30).fill(rr)), 10, RATE, 0.25);
    const tops = peaks(signal).slice(2).map((i) => signal[i]);
    return tops.reduce((sum, v) => sum + v, 0) / tops.length;
  });
  for (const height of heights) assert.ok(Math.abs(height - heights[1]) < 0.25, heights.join(" "));
});

Deno.test("an early beat and its pause leave the baseline where it was", () => {
  const signal = integrateEcg(beatsOf([1, 1, 0.5, 1.5, 1, 1, 1, 1]), 6, RATE, 0.25);
  const quiet = (seconds: number) => signal[Math.round(seconds * RATE)];
  assert.ok(Math.abs(quiet(1.6) - quiet(4.6)) < 0.2, `${quiet(1.6)} ${quiet(4.6)}`);
});

Deno.test("even with extreme intervals every sample is finite and below 2 mV", () => {
  const signal = integrateEcg(beatsOf([0.35, 1.8, 0.35, 0.4, 1.6, 0.9]), 8, RATE, 0.3);
  assert.equal(signal.length, 800);
  assert.ok(signal.every((value) => Number.isFinite(value) && Math.abs(value) < 2));
});
