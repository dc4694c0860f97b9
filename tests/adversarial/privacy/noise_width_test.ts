import assert from "node:assert/strict";
import { auditTrainingPath } from "../../../cli/audit.ts";
import { type NoiseWidth, noiseWidth } from "../../../cli/audit_noise.ts";
import { createPlan, encodeUpdate, REFUTED } from "../../../src/dp/mod.ts";
import { type Contribute, stepContribution } from "../../../src/federation/mod.ts";
import { selectBackend } from "../../../src/tensor/mod.ts";
import { makePlan } from "../../federation/_plan.ts";
import { seededWords } from "../../_seeded.ts";
import { ringVectorSum } from "./_ring.ts";

const { dp: small } = makePlan();
const plan = createPlan({
  ...small.request,
  dimension: 4000,
  target: { noiseMultiplier: small.noise.noiseMultiplier },
});
/** What every step adds, besides noise. */
const data = new Float64Array(4000).fill(0.01);

/** The sums of two steps over the same data, with so many shares of noise. */
function sums(shares: number, seed: number): Uint32Array[] {
  const bytes = seededWords(seed);
  const step = () => ringVectorSum(Array.from({ length: shares }, () => encodeUpdate(plan, data, bytes)));
  return [step(), step()];
}

Deno.test("the noise of a sound build is not called narrow, and one share less always is", () => {
  const { honestShares } = plan.noise;
  assert.equal(honestShares, 2);
  for (let seed = 0; seed < 20; seed++) {
    const sound: NoiseWidth = noiseWidth(plan, sums(honestShares, seed))!;
    // Each of twenty accuses a sound build with probability 0.001.
    assert.ok(sound.pValue > REFUTED && Math.abs(sound.ratio - 1) < 0.05, `${sound.ratio} p ${sound.pValue}`);
    const broken: NoiseWidth = noiseWidth(plan, sums(honestShares - 1, seed))!;
    assert.ok(broken.pValue < 1e-9 && Math.abs(broken.ratio - Math.SQRT1_2) < 0.05, `${broken.ratio}`);
  }
  assert.equal(noiseWidth(plan, sums(2, 1).slice(1)), undefined);
});

Deno.test("on the whole real path one honest share missing of two is found by its width, where guesses are not enough", async () => {
  await selectBackend("wasm");
  let calls = 0;
  /** The second of the three sites forgets its noise; it has no records. */
  const silent: Contribute = async (site, flat, bytes) => {
    const vector = await stepContribution(site, flat, bytes);
    return calls++ % 3 === 1 ? vector.fill(0) : vector;
  };
  const options = { seed: 1, onProgress: () => {}, steps: 2, randomBytes: seededWords(5) };
  const broken = await auditTrainingPath({ ...options, contribute: silent });
  assert.ok(broken.noise!.pValue < 1e-9 && broken.noise!.ratio < 0.75, `${broken.noise!.ratio}`);
  assert.equal(broken.result.refuted, false);
  const sound = await auditTrainingPath({ ...options, randomBytes: seededWords(7) });
  assert.ok(sound.noise!.pValue > REFUTED, `${sound.noise!.ratio}`);
});
