import assert from "node:assert/strict";
import {
  addClippedUnit,
  clopperPearsonUpper,
  createPlan,
  decodeSum,
  drawInclusion,
  encodeUpdate,
  gaussianClaim,
  type RandomBytes,
} from "../../../src/dp/mod.ts";
import { auroc, perUnitGradients, type SetFeatures, units } from "../../../src/local/mod.ts";
import { seededWords } from "../../_seeded.ts";
import { makeCase, RESIDUAL } from "../../local/_attention_fixture.ts";
import { ringVectorSum } from "./_ring.ts";

const CLIP = 0.1;
/** Releases in which one patient is in or out. */
const RELEASES = 2000;
/** Chance that this file accuses a sound build. */
const FALSE_ALARM = 1e-4;

/** Every patient's gradient of one set, as training computes them. */
async function gradientsOfPatients(): Promise<Float64Array[]> {
  const { spec, weights, features } = await makeCase(
    RESIDUAL,
    Array.from({ length: 24 }, (_, i) => 1 + i % 3),
  );
  const set = features.sets.get("cxr") as SetFeatures;
  const gradients: Float64Array[] = [];
  await perUnitGradients(spec, weights, set, units(set), (gradient, ranges) => {
    gradients.push(Float64Array.from(ranges.flatMap(({ start, end }) => [...gradient.subarray(start, end)])));
  });
  return gradients.filter((gradient) => Math.hypot(...gradient) > 0);
}

interface Trials {
  readonly scores: number[];
  readonly included: boolean[];
}

/** One target a release: dot product of what the server sees, less what it knows, with the target's gradient. */
function attack(
  gradients: readonly Float64Array[],
  bytes: RandomBytes,
  seen: (target: Float64Array, isIn: boolean, others: readonly Float64Array[]) => Float64Array,
): Trials {
  const included = drawInclusion(RELEASES, bytes);
  const scores = included.map((isIn, release) => {
    const at = release % gradients.length;
    const target = gradients[at];
    const others = gradients.filter((_, i) => i !== at && (release + i) % 3 === 0);
    return dot(seen(target, isIn, others), target) / Math.hypot(...target);
  });
  return { scores, included };
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, k) => sum + value * b[k], 0);
}

/** Hits and false alarms at a threshold. */
function ratesAt({ scores, included }: Trials, threshold: number) {
  const count = (isIn: boolean) =>
    scores.filter((score, i) => included[i] === isIn && score > threshold).length;
  const members = included.filter(Boolean).length;
  return { hits: count(true), members, alarms: count(false), others: RELEASES - members };
}

const gradients = await gradientsOfPatients();
const dimension = gradients[0].length;

for (const noiseMultiplier of [0.5, 1, 4]) {
  Deno.test(`with noise ${noiseMultiplier} the gradient score of a server that knows everybody else stays below the claim`, () => {
    const plan = createPlan({
      populations: [{ name: "cxr", unit: "patient", samplingRate: 1, maxGradNorm: CLIP }],
      setsAreDisjoint: true,
      neighboring: "add_or_remove_one",
      steps: 1,
      dimension,
      cohort: { n: 3, nMin: 2, colluders: 1 },
      maxUnitsPerStep: 64,
      delta: 1e-5,
      target: { noiseMultiplier },
    });
    const bytes = seededWords(31);
    const trials = attack(gradients, bytes, (target, isIn) => {
      // The server subtracts what it knows: the others' gradients and the colluder's vector.
      const sum = new Float64Array(dimension);
      if (isIn) addClippedUnit(sum, target, CLIP);
      return decodeSum(plan, ringVectorSum([encodeUpdate(plan, sum, bytes)]));
    });
    const claim = gaussianClaim(1 / noiseMultiplier);
    // Four thresholds, fixed beforehand; hits at least and alarms at most, each at a quarter of the level.
    for (const threshold of [0.25, 0.5, 1, 1.5]) {
      const { hits, members, alarms, others } = ratesAt(trials, threshold * Math.max(1, noiseMultiplier));
      const level = FALSE_ALARM / 8;
      const surelyHit = 1 - clopperPearsonUpper(members - hits, members, level);
      const mostAlarms = clopperPearsonUpper(alarms, others, level);
      assert.ok(claim(surelyHit) <= mostAlarms, `${hits} of ${members}, ${alarms} of ${others}`);
    }
    const area = auroc({ scores: trials.scores, labels: trials.included.map(Number) })!;
    const expected = { 0.5: 0.92, 1: 0.76, 4: 0.57 }[noiseMultiplier]!;
    assert.ok(Math.abs(area - expected) < 0.05, `the attack has the power that theory gives it: ${area}`);
  });
}

Deno.test("without clip and noise the same scores find members", () => {
  const areaOf = (knowsOthers: boolean): number => {
    const trials = attack(gradients, seededWords(32), (target, isIn, others) => {
      const sum = new Float64Array(dimension);
      for (const gradient of knowsOthers ? [] : others) gradient.forEach((value, k) => sum[k] += value);
      if (isIn) target.forEach((value, k) => sum[k] += value);
      return sum;
    });
    return auroc({ scores: trials.scores, labels: trials.included.map(Number) })!;
  };
  assert.equal(areaOf(true), 1, "a server that knows everybody else");
  // Eight standard errors above chance, among the gradients of eight other patients.
  assert.ok(areaOf(false) > 0.5 + 8 * 0.0129, "a server that knows the target alone");
});
