import assert from "node:assert/strict";
import { createPlan, type DpPlan, type DpPlanRequest, epsilonAt } from "../../../src/dp/mod.ts";
import { populationsHeld, signHoldings } from "../../../src/federation/holdings.ts";
import { type FederationPlan, openPlan } from "../../../src/federation/federation_plan.ts";
import { gatePlan } from "../../../src/federation/plan_gate.ts";
import { roundConfigOf, sealRoundOrder } from "../../../src/federation/round_order.ts";
import { makeEvaluationPlan } from "../../../src/federation/site_evaluation/mod.ts";
import { readPolicy, SITE_FILES } from "../../../src/federation/mod.ts";
import { FedKimError } from "../../../src/formats/errors.ts";
import { toHex } from "../../../src/formats/hex.ts";
import { generateIdentity } from "../../../src/secure_agg/mod.ts";
import { CONFIG } from "../../federation/site_evaluation/_plan.ts";
import { attack } from "./_step.ts";
import { inWorld, SITES, VICTIM } from "./_world.ts";

/** The plan's privacy with another request, every number recomputed as the aggregator's own software would. */
function replanned(plan: FederationPlan, change: Partial<DpPlanRequest>): FederationPlan {
  return { ...plan, dp: createPlan({ ...plan.dp.request, ...change }) };
}

/** The same, but only the request says so: the other numbers are those of the honest plan. */
function claimed(plan: FederationPlan, change: Partial<DpPlanRequest>): FederationPlan {
  return { ...plan, dp: { ...plan.dp, request: { ...plan.dp.request, ...change } as DpPlan["request"] } };
}

const lessNoise = (plan: FederationPlan) => ({ noiseMultiplier: plan.dp.noise.noiseMultiplier / 4 });

/** A changed plan with the aggregator's good signature, and the site's refusal. */
const DOWNGRADES:
  readonly (readonly [string, code: string, reason: string, (plan: FederationPlan) => unknown])[] = [
    ["less noise under the old promise", "ConfigError", "target_missed", (plan) => ({
      ...plan,
      dp: { ...plan.dp, noise: { ...plan.dp.noise, noiseMultiplier: plan.dp.noise.noiseMultiplier / 4 } },
    })],
    ["narrower shares of noise", "PolicyRefused", "plan_inconsistent", (plan) => ({
      ...plan,
      dp: { ...plan.dp, noise: { ...plan.dp.noise, shareVariance: { numerator: "1", denominator: "1" } } },
    })],
    [
      "less noise, and an honest larger epsilon",
      "PolicyRefused",
      "epsilon",
      (plan) => replanned(plan, { target: lessNoise(plan) }),
    ],
    [
      "a record as the unit",
      "PolicyRefused",
      "unit",
      (plan) => replanned(plan, { populations: [{ ...plan.dp.request.populations[0], unit: "record" }] }),
    ],
    ["a larger clip in the noise only", "PolicyRefused", "plan_inconsistent", (plan) => ({
      ...plan,
      dp: { ...plan.dp, encoding: { ...plan.dp.encoding, scale: plan.dp.encoding.scale * 2 } },
    })],
    ["a smaller nMin for sums than for noise", "PolicyRefused", "cohort_mismatch", (plan) => ({
      ...plan,
      dp: createPlan({ ...plan.dp.request, cohort: { n: 4, nMin: 4, colluders: 1 } }),
    })],
    ["an nMin of two", "FormatError", "", (plan) => ({
      ...replanned(plan, { cohort: { n: 4, nMin: 2, colluders: 1 } }),
      secureAggregation: { ...plan.secureAggregation, nMin: 2 },
    })],
    ["a roster that counts more sites than it names", "PolicyRefused", "cohort_mismatch", (plan) => ({
      ...replanned(plan, { cohort: { n: 5, nMin: 3, colluders: 1 } }),
    })],
    ["the profile without signatures of survivors", "FormatError", "", (plan) => ({
      ...plan,
      secureAggregation: { ...plan.secureAggregation, profile: "default" },
    })],
    [
      "noise for another profile",
      "PolicyRefused",
      "mode_mismatch",
      (plan) =>
        replanned(plan, { profile: { type: "local", stepsPerRound: 1 }, target: { noiseMultiplier: 4 } }),
    ],
    [
      "a longer schedule under the old promise",
      "PolicyRefused",
      "plan_inconsistent",
      (plan) => claimed(plan, { steps: 41, target: { noiseMultiplier: plan.dp.noise.noiseMultiplier } }),
    ],
    [
      "a longer schedule, and an honest larger epsilon",
      "PolicyRefused",
      "epsilon",
      (plan) => replanned(plan, { steps: 1000, target: { noiseMultiplier: plan.dp.noise.noiseMultiplier } }),
    ],
    ["a larger delta", "PolicyRefused", "epsilon", (plan) => replanned(plan, { delta: 1e-4 })],
    [
      "the other neighbouring relation",
      "PolicyRefused",
      "neighboring",
      (plan) => replanned(plan, { neighboring: "replace_one" }),
    ],
    [
      "no room for float errors",
      "PolicyRefused",
      "float_slack",
      (plan) => replanned(plan, { floatSlack: 0 }),
    ],
    ["a threshold that lets two sets of sites answer", "PolicyRefused", "aggregation_unsafe", (plan) => ({
      ...plan,
      secureAggregation: { ...plan.secureAggregation, threshold: 2 },
    })],
    ["a ring in which two neighbours know everything", "PolicyRefused", "aggregation_unsafe", (plan) => ({
      ...plan,
      secureAggregation: { ...plan.secureAggregation, graph: { kind: "ring", degree: 2 }, threshold: 2 },
    })],
    ["a site of the aggregator's own", "PolicyRefused", "unknown_peer", (plan) => ({
      ...plan,
      roster: [...plan.roster.slice(0, 3), {
        site: "site-zzz",
        publicKey: toHex(generateIdentity("z").publicKey),
      }],
    })],
    ["a key of the aggregator's own for a known site", "PolicyRefused", "unknown_peer", (plan) => ({
      ...plan,
      roster: [...plan.roster.slice(0, 3), {
        ...plan.roster[3],
        publicKey: toHex(generateIdentity("z").publicKey),
      }],
    })],
    ["one site twice", "PolicyRefused", "duplicate_key", (plan) => ({
      ...plan,
      roster: [...plan.roster.slice(0, 3), plan.roster[0]],
    })],
    [
      "a model of another dimension than the noise",
      "PolicyRefused",
      "dimension_mismatch",
      (plan) => replanned(plan, { dimension: 64 }),
    ],
    ["an encoder of sixteen million blocks", "ModelError", "", (plan) => ({
      ...plan,
      model: { ...plan.model, spec: { ...plan.model.spec, encoders: deep(plan, 2 ** 24) } },
    })],
    [
      "an evaluation of held-out patients that the policy does not know",
      "PolicyRefused",
      "evaluation",
      (plan) => ({
        ...plan,
        evaluation: evaluationOf(plan),
      }),
    ],
  ];

function deep(plan: FederationPlan, blocks: number) {
  return plan.model.spec.encoders.map((encoder) => ({ ...encoder, attention: { blocks, heads: 1 } }));
}

function evaluationOf(plan: FederationPlan) {
  return makeEvaluationPlan(CONFIG, {
    spec: plan.model.spec,
    training: plan.dp.request as Required<DpPlanRequest>,
  });
}

Deno.test("a plan that was made worse and signed again is refused before anything is committed", async (t) => {
  await inWorld(async (world) => {
    for (const [name, code, reason, change] of DOWNGRADES) {
      await t.step(name, async () => {
        const worker = world.start(VICTIM, world.sealed(change(world.plan)));
        await world.until(() => worker.over || worker.events.some(({ kind }) => kind === "accepted"));
        const { error, events } = await world.dismiss(worker);
        assert.deepEqual([error?.code, error?.details.reason ?? ""], [code, reason], `${error}`);
        assert.ok(events.every(({ kind }) => kind === "joined"));
        assert.equal(await world.committed(VICTIM), 0);
        const told = world.aggregator.seen.at(-1)!;
        assert.equal(told.path, "/v1/plan/answer");
        assert.deepEqual(Object.keys(JSON.parse(new TextDecoder().decode(told.body))), [
          "accepted",
          "planHash",
          "code",
        ]);
      });
    }
  });
});

Deno.test("a changed event of the evaluation is refused, and so is every policy that is stricter than the plan", () =>
  inWorld(async (world) => {
    const { plan } = world;
    const identity = world.identities.get(VICTIM)!;
    const units = new Map([["icu", "patient"]]);
    const roster = plan.roster.map((entry) => {
      const holdings = signHoldings(
        world.identities.get(entry.site as typeof VICTIM)!,
        populationsHeld(["icu"], true),
      );
      return { ...entry, holdings };
    });
    const honest = { ...plan, roster, evaluation: evaluationOf(plan) };
    const { dp } = honest.evaluation;
    await world.allow(VICTIM, { evaluation: { maxEpsilon: 2, minimumCount: 20 } });
    const policy = await readPolicy(`${world.state(VICTIM)}/${SITE_FILES.policy}`, identity);
    const refusal = (changed: unknown, own = policy) => {
      try {
        gatePlan(openPlan(world.sealed(changed), world.aggregator.identity.publicKey), own, identity, units);
        return undefined;
      } catch (error) {
        assert.ok(error instanceof FedKimError);
        return error.details.reason;
      }
    };
    const withEvaluation = (change: Partial<DpPlanRequest>) => ({
      ...honest,
      evaluation: { ...honest.evaluation, dp: createPlan({ ...dp.request, ...change }) },
    });
    assert.equal(refusal(honest), undefined);
    assert.equal(refusal({ ...honest, roster: plan.roster }), "sub_cohort_too_small");
    assert.equal(refusal(withEvaluation({ target: { epsilon: 3 } })), "evaluation_epsilon");
    assert.equal(refusal(withEvaluation({ steps: 2 })), "evaluation_mismatch");
    const narrow = { ...honest.evaluation, dp: { ...dp, events: plan.dp.events } };
    assert.equal(refusal({ ...honest, evaluation: narrow }), "plan_inconsistent");
    const [held] = dp.request.populations;
    assert.equal(refusal(withEvaluation({ populations: [{ ...held, name: "icu" }] })), "evaluation_mismatch");
    assert.equal(
      refusal({ ...honest, evaluation: { ...honest.evaluation, minimumCount: 1 } }),
      "evaluation_minimum_count",
    );
    assert.equal(refusal(plan, { ...policy, minimumSites: 4 }), "cohort_too_small");
    assert.equal(refusal(plan, { ...policy, colluders: 2 }), "collusion");
    assert.equal(refusal(plan, { ...policy, allowedTasks: ["ecg_pvc"] }), "task");
  }));

Deno.test("a larger clip buys the aggregator nothing: the noise grows with it, the promise stays", () =>
  inWorld((world) => {
    const { request, guarantees, noise, encoding } = world.plan.dp;
    const [population] = request.populations;
    const larger = createPlan({ ...request, populations: [{ ...population, maxGradNorm: 1000 }] });
    assert.deepEqual(larger.guarantees, guarantees);
    assert.deepEqual([larger.noise, larger.encoding], [noise, encoding], "in units of the clip");
    return Promise.resolve();
  }));

/** Values that nobody expects, wherever they stand. */
const ODD: readonly unknown[] = [null, -1, 0, 1e308, "", "x", [], {}, [[]], true, 2 ** 53, 0.1, {
  length: 1e9,
}];

Deno.test("a plan with anything at any place, well signed, is opened or refused, and never crashes the site", () =>
  inWorld(async (world) => {
    // One step over everybody: its epsilon is quickly computed again for each of the plans.
    const [population] = world.plan.dp.request.populations;
    const quick = replanned(world.plan, { steps: 1, populations: [{ ...population, samplingRate: 1 }] });
    const honest = JSON.parse(JSON.stringify({ ...quick, evaluation: evaluationOf(quick) }));
    const identity = world.identities.get(VICTIM)!;
    const policy = await readPolicy(`${world.state(VICTIM)}/${SITE_FILES.policy}`, identity);
    let refused = 0;
    const places = pathsOf(honest).filter((_, i) => i % 3 === 0);
    for (const [i, path] of places.entries()) {
      const changed = structuredClone(honest);
      const odd = ODD[i % ODD.length];
      const parent = path.slice(0, -1).reduce((at, key) => at[key], changed);
      if (parent[path.at(-1)!] === odd) continue;
      parent[path.at(-1)!] = odd;
      try {
        const plan = openPlan(world.sealed(changed), world.aggregator.identity.publicKey);
        gatePlan(plan, policy, identity, new Map([["icu", "patient"]]));
      } catch (error) {
        assert.ok(error instanceof FedKimError, `${path.join(".")} = ${JSON.stringify(odd)}: ${error}`);
        assert.notEqual(error.code, "InternalError", `${path.join(".")}: ${error}`);
        refused++;
      }
    }
    assert.ok(refused > places.length / 2, `${refused} of ${places.length}`);
  }));

/** Every place of a JSON value but its root; of long lists the first two. */
function pathsOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  const own = path.length === 0 ? [] : [path];
  if (typeof value !== "object" || value === null) return own;
  const entries = Object.entries(value).slice(0, Array.isArray(value) ? 2 : undefined);
  return [...own, ...entries.flatMap(([key, item]) => pathsOf(item, [...path, key]))];
}

Deno.test("replayed plans and second plans of a run never cost more than the policy's budget", () =>
  inWorld(async (world) => {
    const { aggregator, plan } = world;
    const second = { ...plan, run: "cd".repeat(16) };
    const worker = world.start(VICTIM);
    const order = (of: FederationPlan, round: number) =>
      aggregator.post(
        VICTIM,
        "round",
        round,
        sealRoundOrder(roundConfigOf(of, round, world.model()), aggregator.identity),
      );
    order(plan, 1);
    aggregator.post(VICTIM, "plan", 0, world.sealed(second));
    order(second, 1);
    aggregator.post(VICTIM, "plan", 0, world.sealed(plan));
    order(plan, 1);
    const { error } = await worker.ended;
    assert.deepEqual([error?.code, error?.details.reason], ["LedgerError", "round_already_charged"]);
    assert.deepEqual(await world.charged(VICTIM), [1, 1], "one step of each plan, and none twice");

    // Epsilon 4 twice is the policy's 8: a third plan finds nothing left, whatever it is called.
    const third = { ...plan, run: "ef".repeat(16) };
    const { error: broke } = await world.start(VICTIM, world.sealed(third)).ended;
    assert.equal(broke?.code, "BudgetExceeded");
    assert.equal(await world.committed(VICTIM), 2);
    const { dp } = plan;
    const twice = { type: "self_composed", event: dp.events[0].schedule, count: 2 } as const;
    const { epsilon } = epsilonAt(twice, 2 * dp.request.delta, { neighboring: "add_or_remove_one" });
    assert.ok(epsilon <= 8, `the two plans together: ${epsilon}`);
  }));

Deno.test("a step that was ordered out of turn takes the earlier ones away from the schedule", () =>
  inWorld(async (world) => {
    const { charges } = await attack(world, { round: 5 });
    assert.equal(charges, 1);
    const earlier = await attack(world, { round: 4 });
    assert.deepEqual([earlier.ending.error?.code, earlier.ending.error?.details.reason], [
      "UnexpectedMessage",
      "round_replayed",
    ]);
    assert.deepEqual([earlier.charges, earlier.sent], [0, []]);
    const again = await attack(world, {
      round: 5,
      model: world.model(new Float64Array(world.plan.dp.request.dimension)),
    });
    assert.deepEqual([again.ending.error?.details.reason, again.charges, again.sent], [
      "round_replayed",
      0,
      [],
    ]);
    assert.equal(SITES.length, world.plan.roster.length);
  }));
