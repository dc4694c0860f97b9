import {
  auditPower,
  clopperPearsonUpper,
  curveClaim,
  designAudit,
  fdpEpsilon,
  fdpPValue,
  fdpRejects,
  gaussianClaim,
  guessFromScores,
  oneRunEpsilon,
  oneRunPValue,
  runAudit,
} from "../../src/dp/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { seededBytes } from "./_helpers.ts";
import type { Figures } from "./_record.ts";

const REQUEST = {
  canaries: 500,
  population: "canary",
  populations: [{ name: "canary", unit: "record", maxGradNorm: 1 }],
  dimension: 500,
  maxUnitsPerStep: 16,
  cohort: { n: 3, nMin: 3, colluders: 1 },
} as const;
const COUNTS = [
  [100, 20, 19],
  [100, 20, 20],
  [100, 20, 10],
  [100, 100, 80],
  [13_000, 1040, 760],
  [10, 0, 0],
  [10, 3, 0],
]
  .map(([canaries, guesses, correct]) => ({ canaries, guesses, correct }));

/** Audits, to ten digits. */
export const FIGURES: Figures = {
  "f-DP p-values": () =>
    COUNTS.map((counts) => [0, 0.1, 0.9, 3].map((mu) => fdpPValue(counts, gaussianClaim(mu)))),
  "f-DP verdicts at five in a hundred": () =>
    COUNTS.map((counts) => [0.1, 0.9].map((mu) => fdpRejects(counts, gaussianClaim(mu), 0.05))),
  "f-DP bounds on epsilon": () => COUNTS.map((counts) => fdpEpsilon(counts, 1e-5, 0.05)),
  "one-run p-values": () =>
    COUNTS.map((counts) =>
      [[0, 0], [1, 0], [1, 1e-5], [0.2, 1e-2]].map(([e, d]) => oneRunPValue(counts, e, d))
    ),
  "one-run bounds on epsilon": () => COUNTS.map((counts) => oneRunEpsilon(counts, 1e-5, 0.05)),
  "upper bounds of a proportion": () =>
    [[0, 10], [1, 10], [10, 10], [40, 1000]].map(([k, n]) => clopperPearsonUpper(k, n, 0.05)),
  "Gaussian claims": () => [0, -1, 1e-9, 0.1, 0.5, 0.99, 1, 2].map(gaussianClaim(0.9)),
  "claims of a curve": () => {
    const claim = curveClaim([{ epsilon: 0, delta: 0.3 }, { epsilon: 1, delta: 0.1 }, {
      epsilon: 3,
      delta: 0.01,
    }]);
    return [0, -1, 0.005, 0.02, 0.2, 0.5, 0.8, 0.95, 0.999, 1, 1.5].map(claim);
  },
  "the design of an audit": () => {
    const { plan, claim, ...design } = designAudit(REQUEST);
    const { noise, guarantees } = plan;
    return [design, noise, guarantees, [1e-4, 0.01, 0.1, 0.5, 0.9, 0.999, 0.99999].map(claim)];
  },
  "the design of an audit of nine steps": () => {
    const { plan, claim, epsilon } = designAudit({ ...REQUEST, steps: 9 });
    return [plan.noise.noiseMultiplier, epsilon, [1e-4, 0.1, 0.999].map(claim)];
  },
  "an audit run": async () => {
    const random = new SeededRandom(5);
    return await runAudit({
      ...designAudit(REQUEST),
      name: "canary",
      run: (included) => included.map((isIn) => (isIn ? 1.4 : 0) + random.normal()),
      randomBytes: seededBytes(6),
      power: 0.5,
      significance: 0.1,
    });
  },
  "the power of an audit": () => {
    const random = new SeededRandom(7);
    return [0.9, 1.8, 3].map((actualMu) =>
      auditPower({
        canaries: 400,
        guesses: 40,
        claim: gaussianClaim(0.9),
        actualMu,
        trials: 20,
        normal: () => random.normal(),
        uniform: () => random.next(),
      })
    );
  },
  "guesses from scores": () =>
    [1, 2, 3, 5, 6].map((guesses) =>
      guessFromScores([5, 4, 3, 2, 1, 0], [true, false, true, true, false, false], guesses)
    ),
};
