import assert from "node:assert/strict";
import { auditSetting, BROKEN, planOf, SOUND } from "../../../bench/attacks/_canary_path.ts";
import { parsePlan, REFUTED } from "../../../src/dp/mod.ts";
import { seededWords } from "../../_seeded.ts";

Deno.test("no sound setting is refuted: units, epsilons, rates, steps and cohorts (family-wise level 0.006)", () => {
  // Six audits, each of which accuses a sound build with probability at most 0.001.
  const lower: number[] = [];
  for (const setting of SOUND) {
    const { pValue, epsilonLower, epsilonUpper } = auditSetting(setting, {}, seededWords(51));
    assert.ok(pValue > REFUTED, `${setting.name}: p = ${pValue}`);
    assert.ok(epsilonLower <= epsilonUpper, `${setting.name}: ${epsilonLower} for ${epsilonUpper}`);
    lower.push(epsilonLower / epsilonUpper);
  }
  assert.ok(Math.max(...lower) > 0.6, "the attack must come near to what is claimed");
});

for (const { name, setting, build } of BROKEN) {
  Deno.test(`the audit refutes a build in which ${name}`, () => {
    const { pValue } = auditSetting(setting, build, seededWords(52));
    assert.ok(pValue < REFUTED, `p = ${pValue}`);
  });
}

Deno.test("noise scaled by C instead of D, which no audit sees, cannot be put into a plan", () => {
  for (const setting of SOUND) {
    const plan = planOf(setting);
    const { encoding, noise } = plan;
    const { numerator, denominator } = noise.shareVariance;
    const honest = noise.honestShares * Number(numerator) / Number(denominator);
    const needed = (noise.noiseMultiplier * encoding.sensitivity) ** 2;
    assert.ok(honest >= needed * (1 - 1e-12), setting.name);
    const { dimension, floatSlack } = plan.request;
    assert.ok(encoding.sensitivity >= encoding.scale * (1 + floatSlack) + Math.sqrt(dimension), setting.name);
    const byClip = BigInt(Math.floor(Number(numerator) * (encoding.scale / encoding.sensitivity) ** 2));
    const wrong = { ...plan, noise: { ...noise, shareVariance: { numerator: `${byClip}`, denominator } } };
    assert.throws(() => parsePlan(JSON.parse(JSON.stringify(wrong))), { code: "PolicyRefused" });
    assert.deepEqual(parsePlan(JSON.parse(JSON.stringify(plan))), plan);
  }
});
