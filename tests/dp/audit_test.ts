import assert from "node:assert/strict";
import {
  auditPower,
  curveClaim,
  designAudit,
  fdpPValue,
  fdpRejects,
  gaussianClaim,
  guessFromScores,
  oneRunEpsilon,
  oneRunPValue,
  privacyCurve,
  REFUTED,
  runAudit,
} from "../../src/dp/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { seededBytes } from "./_helpers.ts";

const CANARIES = 13_000;
const REQUEST = {
  canaries: CANARIES,
  population: "canary",
  populations: [{ name: "canary", unit: "record", maxGradNorm: 1 }],
  dimension: CANARIES,
  maxUnitsPerStep: 16,
  cohort: { n: 3, nMin: 3, colluders: 1 },
} as const;
/** The audit-only plan: one step, no sampling, one coordinate per canary. */
const DESIGN = designAudit(REQUEST);
const PLAN = DESIGN.plan;

/** Scores as a release of the claimed quality gives them. */
function gaussianScores(included: readonly boolean[], mu: number): Float64Array {
  const random = new SeededRandom(3);
  return Float64Array.from(included, (isIn) => (isIn ? mu : 0) + random.normal());
}

Deno.test("runAudit() passes scores of the claimed quality and refutes twice as good ones", async () => {
  const audit = (mu: number) =>
    runAudit({
      ...DESIGN,
      name: "canary",
      run: (included) => gaussianScores(included, mu),
      randomBytes: seededBytes(77),
    });
  const honest = await audit(DESIGN.mu);
  assert.equal(honest.refuted, false);
  assert.ok(honest.epsilonLower > 0.5 && honest.epsilonLower <= honest.epsilonUpper);
  assert.ok(honest.epsilonLowerSteinke <= honest.epsilonLower);
  const loud = await audit(2 * DESIGN.mu);
  assert.equal(loud.refuted, true);
  assert.ok(loud.pValue < REFUTED && loud.epsilonLower > loud.epsilonUpper);
});

Deno.test("designAudit() claims what its own plan says, and refuses a population that is not in it", () => {
  const four = designAudit({ ...REQUEST, steps: 4 });
  for (const power of [0.01, 0.1, 0.5, 0.9]) {
    const exact = gaussianClaim(DESIGN.mu)(power);
    assert.ok(Math.abs(DESIGN.claim(power) - exact) < 0.01 * exact + 1e-4, `at ${power}`);
    assert.ok(DESIGN.claim(power) <= exact + 1e-6, "the claim must not be stronger than the truth");
    assert.ok(Math.abs(four.claim(power) - DESIGN.claim(power)) < 1e-4, "steps and noise grow together");
  }
  assert.throws(() => designAudit({ ...REQUEST, population: "icu" }), { code: "ConfigError" });
});

Deno.test("the audit sees half the noise with power 0.95, and accuses no correct build in 40 runs", () => {
  const random = new SeededRandom(1);
  const power = (actualMu: number, trials: number) =>
    auditPower({
      canaries: CANARIES,
      guesses: DESIGN.guesses,
      claim: DESIGN.claim,
      actualMu,
      trials,
      normal: () => random.normal(),
      uniform: () => random.next(),
    });
  const mu = 1 / PLAN.noise.noiseMultiplier;
  assert.ok(power(2 * mu, 60) >= 0.95);
  assert.equal(power(mu, 40), 0);
});

Deno.test("the p-value of a curve from the accountant agrees with the Gaussian closed form", () => {
  const counts = { canaries: 2000, guesses: 100, correct: 93 };
  const epsilons = Array.from({ length: 200 }, (_, i) => i / 20);
  const curve = privacyCurve({ type: "gaussian", sigma: 1 }, epsilons, { neighboring: "add_or_remove_one" });
  const exact = fdpPValue(counts, gaussianClaim(1));
  const found = fdpPValue(counts, curveClaim(curve));
  assert.ok(found >= exact * 0.999 && found < exact * 1.3, `${found} and ${exact}`);
});

Deno.test("a stronger claim is refuted more easily, and more right guesses refute more", () => {
  const at = (correct: number, mu: number) =>
    fdpPValue({ canaries: 3000, guesses: 200, correct }, gaussianClaim(mu));
  assert.ok(at(180, 0.3) < at(180, 0.6) && at(180, 0.6) <= at(180, 1.2));
  assert.ok(at(190, 0.6) < at(180, 0.6));
  assert.equal(at(100, 0.6), 1);
  assert.equal(fdpRejects({ canaries: 3000, guesses: 200, correct: 200 }, gaussianClaim(0.1), 0.001), true);
});

Deno.test("one-run bounds refuse impossible counts", () => {
  for (
    const counts of [
      { canaries: 10, guesses: 11, correct: 5 },
      { canaries: 10, guesses: 5, correct: 6 },
      { canaries: 0, guesses: 0, correct: 0 },
      { canaries: 10, guesses: NaN, correct: 1 },
    ]
  ) {
    assert.throws(() => oneRunPValue(counts, 1, 0), { code: "ConfigError" });
  }
  const counts = { canaries: 10, guesses: 5, correct: 5 };
  for (const significance of [0, 1, NaN, -1]) {
    assert.throws(() => oneRunEpsilon(counts, 1e-5, significance), { code: "ConfigError" });
  }
});

Deno.test("guessFromScores() counts both kinds of right guesses and refuses NaN", () => {
  const included = [true, true, false, false, true, false];
  assert.deepEqual(guessFromScores([9, 8, 1, 2, 3, 7], included, 4), { canaries: 6, guesses: 4, correct: 4 });
  assert.deepEqual(guessFromScores([1, 2, 9, 8, 3, 4], included, 4), { canaries: 6, guesses: 4, correct: 0 });
  assert.throws(() => guessFromScores([1, NaN], [true, false], 1), { code: "ConfigError" });
  assert.throws(() => guessFromScores([1], [true, false], 1), { code: "ConfigError" });
});
