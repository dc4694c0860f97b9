import assert from "node:assert/strict";
import { epsilonAt } from "../../../src/dp/mod.ts";
import { FedKimError } from "../../../src/formats/errors.ts";
import {
  evaluationAt,
  type FederationPlan,
  federationPlanHash,
  lastRound,
  openPlan,
  sealPlan,
} from "../../../src/federation/federation_plan.ts";
import { gatePlan } from "../../../src/federation/plan_gate.ts";
import { openRoundOrder, roundConfigOf, sealRoundOrder } from "../../../src/federation/round_order.ts";
import {
  decodeEvaluationModel,
  encodeEvaluationModel,
  evaluationHash,
} from "../../../src/federation/site_evaluation/mod.ts";
import type { SitePolicy } from "../../../src/federation/site_policy.ts";
import { aggregator, makePlan, policy, sites } from "../_plan.ts";
import { openToEvaluation, planWithEvaluation } from "./_plan.ts";

const units = new Map([["icu", "patient"]]);

function refused(plan: FederationPlan, allowed: SitePolicy, reason: string): void {
  assert.throws(
    () => gatePlan(plan, allowed, sites[0], units),
    (error) =>
      error instanceof FedKimError && error.code === "PolicyRefused" && error.details.reason === reason,
  );
}

Deno.test("the evaluation is one Gaussian release over all held-out units, with epsilon of its own", () => {
  const { evaluation } = planWithEvaluation();
  const [event] = evaluation.dp.events;
  assert.equal(event.population, "icu.held_out");
  assert.deepEqual(event.step, { type: "gaussian", sigma: evaluation.dp.noise.noiseMultiplier });
  assert.deepEqual(event.schedule, event.step);
  const { epsilon } = epsilonAt(event.step, 1e-5, { neighboring: "add_or_remove_one" });
  assert.equal(evaluation.dp.guarantees[0].epsilon, epsilon);
  assert.ok(epsilon <= 2);
  // One task, everybody and two dimensions of 4 and 3 levels, two labels, four bins.
  assert.equal(evaluation.dp.request.dimension, (1 + 4 + 3) * 2 * 4);
});

Deno.test("a sealed plan keeps its evaluation, and one number changed in it is refused", () => {
  const plan = planWithEvaluation();
  const opened = openPlan(sealPlan(plan, aggregator), aggregator.publicKey);
  assert.deepEqual(opened.evaluation, plan.evaluation);
  assert.equal(federationPlanHash(opened), federationPlanHash(plan));
  assert.notEqual(federationPlanHash(plan), federationPlanHash(makePlan()));
  assert.notEqual(evaluationHash(federationPlanHash(plan)), federationPlanHash(plan));
  const { dp } = plan.evaluation;
  const lower = { ...dp, noise: { ...dp.noise, honestShares: dp.noise.honestShares + 1 } };
  const forged = { ...plan, evaluation: { ...plan.evaluation, dp: lower } };
  assert.throws(() => openPlan(sealPlan(forged, aggregator), aggregator.publicKey), /does not agree/);
});

Deno.test("gatePlan() refuses an evaluation that the policy does not allow, or that is wider than allowed", () => {
  const plan = planWithEvaluation();
  gatePlan(plan, openToEvaluation, sites[0], units);
  gatePlan(makePlan(), policy, sites[0], units);
  refused(plan, policy, "evaluation");
  const allowing = (evaluation: SitePolicy["evaluation"] & object) => ({ ...policy, evaluation });
  refused(plan, allowing({ maxEpsilon: 1.9, minimumCount: 20 }), "evaluation_epsilon");
  refused(plan, allowing({ maxEpsilon: 2, minimumCount: 21 }), "evaluation_minimum_count");
  assert.throws(
    () => gatePlan(plan, openToEvaluation, sites[0], new Map([["icu", "record"]])),
    /one patient of icu/,
  );
});

Deno.test("gatePlan() refuses an evaluation that does not follow from its plan", () => {
  const plan = planWithEvaluation();
  const changed = (change: Partial<typeof plan.evaluation>) => ({
    ...plan,
    evaluation: { ...plan.evaluation, ...change },
  });
  refused(changed({ tasks: ["icu_other"] }), openToEvaluation, "evaluation_mismatch");
  refused(changed({ bins: 5 }), openToEvaluation, "evaluation_mismatch");
  refused(changed({ subgroups: [] }), openToEvaluation, "evaluation_mismatch");
  const { request } = plan.evaluation.dp;
  const withRequest = (change: Partial<typeof request>) =>
    changed({ dp: { ...plan.evaluation.dp, request: { ...request, ...change } } });
  refused(withRequest({ steps: 2 }), openToEvaluation, "evaluation_mismatch");
  refused(withRequest({ cohort: { n: 4, nMin: 4, colluders: 1 } }), openToEvaluation, "evaluation_mismatch");
  refused(withRequest({ neighboring: "replace_one" }), openToEvaluation, "evaluation_mismatch");
  refused(
    withRequest({ profile: { type: "local", stepsPerRound: 1 } }),
    openToEvaluation,
    "evaluation_mismatch",
  );
  refused(withRequest({ floatSlack: 0 }), openToEvaluation, "evaluation_mismatch");
  const training = { ...request.populations[0], name: "icu" };
  refused(withRequest({ populations: [training] }), openToEvaluation, "evaluation_mismatch");
});

Deno.test("gatePlan() refuses an evaluation that charges a patient of several sites otherwise than the training", () => {
  const atTwo = planWithEvaluation({}, { maxSitesPerUnit: 2 });
  const [population] = atTwo.evaluation.dp.request.populations;
  assert.equal(population.maxSitesPerUnit, 2, "the evaluation follows the training");
  gatePlan(atTwo, { ...openToEvaluation, maxEpsilon: 1e4 }, sites[0], units);
  const plan = planWithEvaluation();
  const swapped = [{ ...atTwo, evaluation: plan.evaluation }, { ...plan, evaluation: atTwo.evaluation }];
  for (const mixed of swapped) {
    refused(mixed, { ...openToEvaluation, maxEpsilon: 1e4 }, "evaluation_mismatch");
  }
  const perRecord = planWithEvaluation({}, { unit: "record" }).evaluation;
  refused({ ...plan, evaluation: perRecord }, openToEvaluation, "evaluation_mismatch");
});

Deno.test("the round after the last step is the evaluation's, with its own dimension, and there is none after it", () => {
  const plan = planWithEvaluation();
  const modelHash = "a".repeat(64);
  assert.equal(lastRound(plan), 11);
  assert.equal(lastRound(makePlan()), 10);
  assert.equal(evaluationAt(plan, 10), undefined);
  assert.equal(roundConfigOf(plan, 10, modelHash).dimension, plan.dp.request.dimension);
  assert.equal(roundConfigOf(plan, 11, modelHash).dimension, plan.evaluation.dp.request.dimension);
  const open = (of: FederationPlan, round: number) =>
    openRoundOrder(sealRoundOrder(roundConfigOf(of, round, modelHash), aggregator), aggregator.publicKey, of);
  assert.equal(open(plan, 11).roundId, 11);
  assert.throws(() => open(plan, 12), /does not follow the plan/);
  assert.throws(() => open(makePlan(), 11), /does not follow the plan/);
});

Deno.test("the evaluated model survives its encoding, and a damaged or foreign one is refused", () => {
  const flat = Float64Array.of(0.5, -2, 3);
  const bins = {
    shock: { edges: [-1, 0.25], probabilities: [0.1, 0.4, 0.9], firstYes: 2, calibrated: true },
  };
  const bytes = encodeEvaluationModel({ flat, bins });
  assert.deepEqual(decodeEvaluationModel(bytes, 3, ["shock"], 4), { flat, bins });
  const wrong = (change: object) =>
    encodeEvaluationModel({ flat, bins: { shock: { ...bins.shock, ...change } } });
  for (
    const bad of [
      bytes.subarray(0, 3),
      bytes.subarray(0, bytes.length - 1),
      Uint8Array.of(255, 255, 255, 255, 1),
      wrong({ edges: [0.25, -1] }),
      wrong({ probabilities: [0.1, 0.4] }),
      wrong({ probabilities: [0.1, 0.4, 1.5] }),
    ]
  ) {
    assert.throws(() => decodeEvaluationModel(bad, 3, ["shock"], 4), { code: "ModelError" });
  }
  assert.throws(() => decodeEvaluationModel(bytes, 4, ["shock"], 4), { code: "ModelError" });
  assert.throws(() => decodeEvaluationModel(bytes, 3, ["other"], 4), { code: "ModelError" });
  assert.throws(() => decodeEvaluationModel(bytes, 3, ["shock"], 2), { code: "ModelError" });
});
