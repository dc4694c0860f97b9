import assert from "node:assert/strict";
import { type AuditPathOptions, auditTrainingPath, type PathAudit } from "../../cli/audit.ts";
import { accountedClaim, type DpPlan, encodeUpdate, REFUTED } from "../../src/dp/mod.ts";
import { type Contribute, stepContribution, type TrainingSite } from "../../src/federation/mod.ts";
import { clippedGradientSum, type SetFeatures, unflatten, units } from "../../src/local/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { seededBytes } from "./_helpers.ts";

await selectBackend("wasm");

function audit(seed: number, options: Partial<AuditPathOptions> = {}): Promise<PathAudit> {
  return auditTrainingPath({ seed: 1, onProgress: () => {}, randomBytes: seededBytes(seed), ...options });
}

/** The site as a build would run it whose plan has this noise. */
function withVariance(site: TrainingSite, divisor: bigint): TrainingSite {
  const { dp } = site.plan;
  const numerator = `${BigInt(dp.noise.shareVariance.numerator) / divisor}`;
  const quiet: DpPlan = {
    ...dp,
    noise: { ...dp.noise, shareVariance: { ...dp.noise.shareVariance, numerator } },
  };
  return { ...site, plan: { ...site.plan, dp: quiet } };
}

/** A site's contribution without clipping, everything else as in production. */
const withoutClipping: Contribute = async (site, flat, randomBytes) => {
  const { plan, base, features } = site;
  const sampled = new Map([...features.sets].map(([name, set]) => [name, units(set)]));
  const clip = new Map(plan.dp.request.populations.map(({ name, maxGradNorm }) => [name, maxGradNorm]));
  const { spec } = plan.model;
  const options = { clipping: false };
  const weights = unflatten(spec, base, flat);
  const { sum } = await clippedGradientSum(spec, weights, features, sampled, clip, options);
  return encodeUpdate(plan.dp, sum, randomBytes);
};

/** A site that clips each record by itself, although the unit is a patient. */
function byRecord(site: TrainingSite): TrainingSite {
  const split = (set: SetFeatures): SetFeatures => {
    const rows = [...set.rowsOf].flatMap(([unit, list]) =>
      list.map((row, i): [string, number[]] => [`${unit} ${i}`, [row]])
    );
    return { ...set, rowsOf: new Map(rows) };
  };
  const sets = new Map([...site.features.sets].map(([name, set]) => [name, split(set as SetFeatures)]));
  return { ...site, features: { sets } };
}

Deno.test("the audit of the real path does not refute it; its bounds lie below the claim", async () => {
  const { result, ledger } = await audit(11);
  assert.equal(result.refuted, false, `p = ${result.pValue}`);
  assert.ok(result.pValue > 0.01);
  assert.ok(result.power! >= 0.95);
  // A lower bound near the claim shows that the canaries are seen as well as the accounting allows.
  assert.ok(
    result.epsilonLower > 1.5 && result.epsilonLower <= result.epsilonUpper,
    `${result.epsilonLower}`,
  );
  assert.ok(result.epsilonLowerSteinke > 0.5 && result.epsilonLowerSteinke <= result.epsilonLower);
  assert.equal(ledger.site, "audit");
  assert.ok(ledger.populations.every(({ rounds }) => rounds === 4));
});

const MUTATIONS: readonly [string, Partial<AuditPathOptions>][] = [
  ["half the noise", {
    steps: 1,
    contribute: (site, flat, bytes) => stepContribution(withVariance(site, 4n), flat, bytes),
  }],
  ["no clipping", { steps: 1, contribute: withoutClipping }],
  ["clipping per record where the unit is a patient", {
    steps: 1,
    contribute: (site, flat, bytes) => stepContribution(byRecord(site), flat, bytes),
  }],
  ["a dropped count: four steps accounted as one", {
    claim: ({ plan }) => accountedClaim(plan.events[0].step, plan.request.neighboring),
  }],
];

for (const [name, mutation] of MUTATIONS) {
  Deno.test(`the audit of the real path catches ${name} at p < 0.001`, async () => {
    const { result } = await audit(12, mutation);
    assert.ok(result.power! >= 0.95);
    assert.ok(result.pValue < REFUTED, `${result.correct} of ${result.guesses}, p = ${result.pValue}`);
    assert.equal(result.refuted, true);
  });
}
