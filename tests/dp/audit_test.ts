import assert from "node:assert/strict";
import {
  addClippedUnit,
  auditPower,
  curveClaim,
  decodeSum,
  designAudit,
  type DpPlan,
  encodeUpdate,
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
/** The audit-only plan: one step, no sampling, one coordinate per canary. */
const DESIGN = designAudit(CANARIES, { n: 3, nMin: 3, colluders: 1 });
const PLAN = DESIGN.plan;

/** What a build may get wrong. */
interface Mutation {
  readonly noise?: number;
  readonly clip?: boolean;
  readonly steps?: number;
}

/**
 * The real path: clip, sum, encode with noise at the honest sites, sum in the ring, decode; scores are
 * coordinates.
 */
function path({ noise = 1, clip = true, steps = 1 }: Mutation) {
  const { numerator, denominator } = PLAN.noise.shareVariance;
  const scaled = `${(BigInt(numerator) * BigInt(Math.round(noise * noise * 1024))) / 1024n}`;
  const plan: DpPlan = {
    ...PLAN,
    noise: { ...PLAN.noise, shareVariance: { numerator: scaled, denominator } },
  };
  return (included: readonly boolean[]) => {
    const scores = new Float64Array(CANARIES);
    for (let step = 0; step < steps; step++) {
      const sum = new Float64Array(CANARIES);
      const norm = PLAN.request.populations[0].maxGradNorm;
      included.forEach((isIn, i) => {
        if (!isIn) return;
        // Every canary is three times too long: clipping has to bring it to the bound.
        const gradient = Float64Array.of(3 * norm);
        const cell = sum.subarray(i, i + 1);
        if (clip) addClippedUnit(cell, gradient, norm);
        else cell[0] += gradient[0] / norm;
      });
      const ring = encodeUpdate(plan, sum, seededBytes(40 + step));
      // The colluding site's share is known and subtracted: only h honest shares protect.
      for (let h = 1; h < PLAN.noise.honestShares; h++) {
        const share = encodeUpdate(plan, new Float64Array(CANARIES), seededBytes(60 + 10 * step + h));
        for (let i = 0; i < ring.length; i++) ring[i] += share[i];
      }
      decodeSum(plan, ring).forEach((x, i) => scores[i] += x);
    }
    return scores;
  };
}

function audit(mutation: Mutation) {
  return runAudit({ ...DESIGN, name: "canary", run: path(mutation), randomBytes: seededBytes(77) });
}

Deno.test("the audit does not refute the real path, and its lower bound stays below the claim", async () => {
  const result = await audit({});
  assert.equal(result.refuted, false);
  assert.ok(result.pValue > 0.05, `${result.pValue}`);
  assert.ok(result.epsilonLower > 0.5 && result.epsilonLower <= result.epsilonUpper);
  assert.ok(result.epsilonLowerSteinke <= result.epsilonLower);
});

const MUTATIONS: readonly [string, Mutation][] = [
  ["half the noise", { noise: 0.5 }],
  ["no clipping", { clip: false }],
  ["four steps where one was counted", { steps: 4 }],
];

for (const [name, mutation] of MUTATIONS) {
  Deno.test(`the audit catches a build with ${name} at p < 0.001`, async () => {
    const result = await audit(mutation);
    assert.equal(result.refuted, true, `${result.correct} of ${result.guesses}, p = ${result.pValue}`);
    assert.ok(result.pValue < REFUTED);
  });
}

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
