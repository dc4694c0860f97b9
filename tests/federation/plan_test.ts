import assert from "node:assert/strict";
import {
  type FederationPlan,
  federationPlanHash,
  openPlan,
  type PlanTerms,
  sealPlan,
} from "../../src/federation/federation_plan.ts";
import { signHoldings } from "../../src/federation/holdings.ts";
import { gatePlan } from "../../src/federation/plan_gate.ts";
import { openRoundOrder, roundConfigOf, sealRoundOrder } from "../../src/federation/round_order.ts";
import type { SitePolicy } from "../../src/federation/site_policy.ts";
import { generateIdentity, makeRoundConfig } from "../../src/secure_agg/mod.ts";
import { aggregator, makePlan, policy, sites, spec } from "./_plan.ts";

const UNITS = new Map([["icu", "patient"]]);
const plan = makePlan();
const refused = (
  change: Partial<PlanTerms>,
  other: Partial<SitePolicy>,
  reason: string,
  identity = sites[0],
) =>
  assert.throws(
    () => gatePlan({ ...plan, ...change }, { ...policy, ...other }, identity, UNITS),
    (error: Error) => {
      assert.equal((error as unknown as { code: string }).code, "PolicyRefused");
      assert.equal((error as unknown as { details: { reason: string } }).details.reason, reason);
      return true;
    },
  );

Deno.test("a plan within the policy passes the gate", () => {
  gatePlan(plan, policy, sites[0], UNITS);
});

Deno.test("gatePlan() refuses a plan whose schedule costs more than the policy allows", () => {
  refused({}, { maxEpsilon: 3.9 }, "epsilon");
  refused({ dp: makePlan(8.1).dp }, {}, "epsilon");
  refused({}, { delta: 1e-6 }, "epsilon");
});

Deno.test("gatePlan() asks nothing of populations that the site does not hold", () => {
  gatePlan(plan, { ...policy, maxEpsilon: 0.1 }, sites[0], new Map([["ecg", "record"]]));
});

Deno.test("gatePlan() refuses small cohorts, too few assumed colluders, other tasks and strangers", () => {
  refused({}, { minimumSites: 4 }, "cohort_too_small");
  refused({}, { colluders: 2 }, "collusion");
  refused({}, { allowedTasks: ["icu_mortality"] }, "task");
  refused({}, {}, "not_in_roster", generateIdentity("a"));
  refused({ roster: [...plan.roster.slice(0, 3), { ...plan.roster[0], site: "d" }] }, {}, "duplicate_key");
});

Deno.test("gatePlan() refuses sites that the policy does not know, and the same name with another key", () => {
  const roster = (index: number, change: Partial<FederationPlan["roster"][number]>) =>
    plan.roster.map((entry, i) => (i === index ? { ...entry, ...change } : entry));
  refused({ roster: roster(2, { site: "sybil" }) }, {}, "unknown_peer");
  refused({ roster: roster(2, { publicKey: "ab".repeat(32) }) }, {}, "unknown_peer");
  const sybil = { site: "sybil", holdings: signHoldings({ ...sites[2], id: "sybil" }, ["icu"]) };
  gatePlan({ ...plan, roster: roster(2, sybil) }, { ...policy, peers: "any" }, sites[0], UNITS);
});

Deno.test("gatePlan() refuses a model that trains other tasks, sets or dimensions than the plan accounts", () => {
  const model = (change: (heads: typeof spec.heads[number]) => typeof spec.heads[number]) => ({
    ...plan.model,
    spec: { ...spec, heads: spec.heads.map(change) },
  });
  refused(
    { model: model((head) => ({ ...head, task: "hiv_status" })) },
    { allowedTasks: ["icu_shock"] },
    "task_mismatch",
  );
  refused({ model: model((head) => ({ ...head, set: "other" })) }, {}, "set_not_accounted");
  const fewer = {
    ...spec,
    parameters: spec.parameters.map((item) => ({ ...item, federated: item.name.startsWith("head.") })),
  };
  refused({ model: { ...plan.model, spec: fewer } }, {}, "dimension_mismatch");
});

Deno.test("a signed plan whose model lays two layers on the same coordinates is refused", () => {
  const opened = (change: Partial<typeof spec>) =>
    openPlan(
      sealPlan({ ...plan, model: { ...plan.model, spec: { ...spec, ...change } } }, aggregator),
      aggregator.publicKey,
    );
  const [first, ...rest] = spec.parameters;
  const wrong = { code: "ModelError" };
  assert.throws(() => opened({ parameters: [{ ...first, shape: [-33] }, ...rest] }), wrong);
  assert.throws(() => opened({ parameters: [first, first, ...rest] }), wrong);
  assert.throws(() => opened({ parameters: [{ ...first, shape: [1, ...first.shape] }, ...rest] }), wrong);
  assert.throws(() => opened({ parameters: [{ ...first, name: "head.other.weight" }, ...rest] }), wrong);
  assert.throws(() => opened({ parameters: rest }), wrong);
  assert.throws(() => opened({ heads: [...spec.heads, ...spec.heads] }), wrong);
  assert.throws(() => opened({ encoders: [...spec.encoders, ...spec.encoders] }), wrong);
  assert.throws(() => opened({ dEnc: 0 }), wrong);
});

Deno.test("gatePlan() refuses a plan that protects a smaller unit than the site's own data state", () => {
  assert.throws(
    () => gatePlan(plan, policy, sites[0], new Map([["icu", "record"]])),
    /one patient of icu.*one record/,
  );
});

Deno.test("gatePlan() refuses noise that is sized for another cohort than the one that sums", () => {
  refused({ secureAggregation: { ...plan.secureAggregation, nMin: 4 } }, {}, "cohort_mismatch");
  refused({ roster: plan.roster.slice(0, 3) }, {}, "cohort_mismatch");
});

Deno.test("a sealed plan opens unchanged with the pinned key only", () => {
  const sealed = sealPlan(plan, aggregator);
  assert.equal(federationPlanHash(openPlan(sealed, aggregator.publicKey)), federationPlanHash(plan));
  assert.throws(() => openPlan(sealed, generateIdentity("mallory").publicKey), {
    code: "AuthenticationError",
  });
});

Deno.test("one changed character of a sealed plan breaks its signature", () => {
  const text = new TextDecoder().decode(sealPlan(plan, aggregator)).replace(`"nMin":3`, `"nMin":2`);
  assert.throws(() => openPlan(new TextEncoder().encode(text), aggregator.publicKey), {
    code: "AuthenticationError",
  });
});

Deno.test("a signed plan whose privacy numbers do not follow from its request is refused", () => {
  const opened = (change: (dp: Record<string, Record<string, unknown>>) => void) => {
    const dp = structuredClone(plan.dp) as unknown as Record<string, Record<string, unknown>>;
    change(dp);
    return openPlan(
      sealPlan({ ...plan, dp: dp as unknown as FederationPlan["dp"] }, aggregator),
      aggregator.publicKey,
    );
  };
  opened(() => {});
  assert.throws(() => opened((dp) => dp.encoding.sensitivity = 1), { code: "PolicyRefused" });
  assert.throws(() => opened((dp) => dp.noise.shareVariance = { numerator: "1", denominator: "1" }), {
    code: "PolicyRefused",
  });
  assert.throws(
    () => opened((dp) => dp.noise.noiseMultiplier = Number(dp.noise.noiseMultiplier) / 2),
    /raise the noise/,
  );
});

Deno.test("a round order is accepted only as the plan gives it", () => {
  const model = "ab".repeat(32);
  const config = roundConfigOf(plan, 7, model);
  const opened = openRoundOrder(sealRoundOrder(config, aggregator), aggregator.publicKey, plan);
  assert.equal(opened.roundId, 7);
  const order = (changes: Partial<typeof config>) =>
    openRoundOrder(
      sealRoundOrder(makeRoundConfig({ ...config, ...changes }), aggregator),
      aggregator.publicKey,
      plan,
    );
  assert.throws(() => order({ nMin: 4 }), { code: "PolicyRefused" });
  assert.throws(() => order({ profile: "default" }), { code: "PolicyRefused" });
  assert.throws(() => order({ planHash: new Uint8Array(32) }), { code: "PolicyRefused" });
  assert.throws(() => order({ roundId: 11 }), { code: "PolicyRefused" });
  assert.throws(() => openRoundOrder(sealRoundOrder(config, sites[1]), aggregator.publicKey, plan), {
    code: "AuthenticationError",
  });
});
