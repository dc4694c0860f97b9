import assert from "node:assert/strict";
import { createPlan, encodeUpdate } from "../../../src/dp/mod.ts";
import { aggregate } from "../../../src/federation/aggregation.ts";
import {
  AuditLog,
  checkAggregatorConfig,
  checkEvaluationSum,
  checkSum,
  openStore,
  sumBound,
  type SumCheck,
} from "../../../src/federation/mod.ts";
import { crossSiteResultOf, evaluateAcrossSites } from "../../../src/federation/cross_site_evaluation.ts";
import {
  type FederationPlan,
  federationPlanHash,
  type LocalPlan,
} from "../../../src/federation/federation_plan.ts";
import { FedKimError } from "../../../src/formats/errors.ts";
import { RunStore } from "../../../src/federation/run_store.ts";
import { encodeModelUpdate } from "../../../src/federation/update_encoding.ts";
import { ringVectorSum } from "./_ring.ts";
import { makePlan, spec } from "../../federation/_plan.ts";
import { planWithEvaluation } from "../../federation/site_evaluation/_plan.ts";
import { seededWords } from "../../_seeded.ts";
import { LEAST_CONFIG } from "../../federation/_least_config.ts";

const UNITS = 40;
const SURVIVORS = 4;

const BASE = makePlan();

/** The federation's plan with more steps, fewer units or more coordinates. */
function planOf(change: { readonly steps?: number; readonly dimension?: number } = {}): FederationPlan {
  const plan = BASE;
  const { noiseMultiplier } = plan.dp.noise;
  const request = { ...plan.dp.request, target: { noiseMultiplier }, maxUnitsPerStep: UNITS };
  const dp = createPlan({ ...request, ...change });
  return { ...plan, dp };
}

/** One step's sum of honest sites that have sampled as many units as the plan allows, all alike. */
function worstHonestSum(plan: FederationPlan, seed: number, length = UNITS / SURVIVORS): Uint32Array {
  const d = plan.dp.request.dimension;
  const share = new Float64Array(d).fill(length / Math.sqrt(d));
  const bytes = seededWords(seed);
  return ringVectorSum(Array.from({ length: SURVIVORS }, () => encodeUpdate(plan.dp, share, bytes)));
}

function refused(error: unknown): boolean {
  return error instanceof FedKimError && error.code === "ProtocolAbort" &&
    error.details.reason === "sum_too_long";
}

function passes(plan: FederationPlan, sum: Uint32Array, falseAlarm: number): boolean {
  try {
    checkSum(plan, sum, SURVIVORS, { falseAlarm });
    return true;
  } catch {
    return false;
  }
}

Deno.test("the longest sums of honest sites are refused no more often than stated, and the bound is near them", () => {
  for (const dimension of [16, 700]) {
    const plan = planOf({ dimension });
    let alarms = 0;
    const trials = 150;
    for (let seed = 0; seed < trials; seed++) {
      if (!passes(plan, worstHonestSum(plan, seed), 0.05)) alarms++;
    }
    // More than 19 of 150 at a chance of 0.05 has probability below 1e-4.
    assert.ok(alarms <= 19, `${alarms} alarms in ${trials} steps`);
    const { shareStddev } = plan.dp.noise;
    const typical = Math.hypot(
      UNITS,
      Math.sqrt(SURVIVORS * dimension) * shareStddev / plan.dp.encoding.scale,
    );
    const bound = sumBound(plan, SURVIVORS, { falseAlarm: 1e-9 });
    assert.ok(bound > typical && bound < 2.5 * typical, `${bound} for ${typical}`);
  }
});

Deno.test("a site that sends a long vector is refused, one that stays inside the slack is not", () => {
  const plan = planOf();
  const bound = sumBound(plan, SURVIVORS, { falseAlarm: 1e-9 });
  const withLie = (length: number): Uint32Array => {
    const honest = worstHonestSum(plan, 3, 0.5);
    const grid = Math.round(length * plan.dp.encoding.scale / Math.sqrt(honest.length));
    return honest.map((word) => word - grid);
  };
  assert.throws(() => checkSum(plan, withLie(1.5 * bound), SURVIVORS, { falseAlarm: 1e-9 }), refused);
  // What stays open: a lie may use up what honest sites leave of the bound.
  checkSum(plan, withLie(0.5 * bound), SURVIVORS, { falseAlarm: 1e-9 });
  assert.ok(
    sumBound(plan, SURVIVORS, { falseAlarm: 1e-9, units: 8 }) < bound,
    "a public bound on units takes room away",
  );
  assert.equal(
    sumBound(plan, SURVIVORS, { falseAlarm: 1e-9, units: 10 * UNITS }),
    bound,
    "no setting gives more room than the plan's constants",
  );
});

Deno.test("in local mode updates at their clip are never refused, and anything longer together is", () => {
  const base = planOf();
  const plan = {
    ...base,
    mode: "local",
    local: { updateClip: 2 },
  } as unknown as LocalPlan;
  const d = base.dp.request.dimension;
  const clipped = new Float64Array(d).fill(2 / Math.sqrt(d));
  const at = (scale: number) =>
    ringVectorSum(
      [0, 1, 2].map(() => encodeModelUpdate(plan, clipped)).concat(
        // What a site of its own software sends: nobody else checks its length.
        encodeModelUpdate({ ...plan, local: { ...plan.local, updateClip: 2 } }, clipped).map((word) =>
          Math.round((word | 0) * scale)
        ),
      ),
    );
  checkSum(plan, at(1), 4, { falseAlarm: 1e-9 });
  assert.throws(() => checkSum(plan, at(1.01), 4, { falseAlarm: 1e-9 }), refused);
});

Deno.test("with a bound on held-out units the evaluation's longest honest sums pass, a longer one is refused", () => {
  const { evaluation } = planWithEvaluation();
  const { dp } = evaluation;
  const d = dp.request.dimension;
  const check = { falseAlarm: 0.05, heldOutUnits: UNITS };
  /** All units in one cell, which is the longest that they can make together, and a lie beside them. */
  const sumOf = (seed: number, lie = 0) => {
    const share = new Float64Array(d);
    share[0] = UNITS / SURVIVORS;
    const bytes = seededWords(seed);
    const honest = Array.from({ length: SURVIVORS }, () => encodeUpdate(dp, share, bytes));
    return ringVectorSum(honest).map((word, i) =>
      i === 0 ? word + Math.round(lie * dp.encoding.scale) : word
    );
  };
  const refusals = Array.from({ length: 150 }, (_, seed) => sumOf(seed)).filter((sum) => {
    try {
      checkEvaluationSum(evaluation, sum, SURVIVORS, check);
      return false;
    } catch (error) {
      assert.ok(refused(error));
      return true;
    }
  });
  // More than 19 of 150 at a chance of 0.05 has probability below 1e-4.
  assert.ok(refusals.length <= 19, `${refusals.length} of 150`);
  assert.throws(() => checkEvaluationSum(evaluation, sumOf(1, 20 * UNITS), SURVIVORS, check), refused);
  // Without the bound nothing is known about how long an honest sum can be.
  checkEvaluationSum(evaluation, sumOf(1, 20 * UNITS), SURVIVORS, { falseAlarm: 0.05, units: 1 });
});

Deno.test("an evaluation whose sum is too long gives no figures: it is recorded as aborted, and the run goes on", async () => {
  const plan = planWithEvaluation();
  const store = await openStore(":memory:");
  try {
    const runs = new RunStore(store, "test", undefined);
    const planHash = federationPlanHash(plan);
    await runs.saveEvaluationModel(planHash, new Uint8Array(4));
    const audit = new AuditLog(store);
    const long = new Uint32Array(plan.evaluation.dp.request.dimension).fill(2 ** 26);
    const evaluate = (sumCheck: SumCheck | undefined) =>
      evaluateAcrossSites(
        {
          config: { sumCheck, rounds: {} },
          plan,
          runs,
          audit,
          artefacts: { put: () => "0".repeat(64), delete: () => {} },
          desk: {
            enoughPresent: () => Promise.resolve(),
            tellAborted: () => {},
            runSession: () =>
              Promise.resolve({
                kind: "sum",
                sum: long,
                survivors: ["a", "b", "c", "d"],
                transcript: new Uint8Array(32),
              }),
          },
          run: { metric: () => Promise.resolve() },
          onProgress: () => {},
        } as unknown as Parameters<typeof evaluateAcrossSites>[0],
        new Float64Array(plan.dp.request.dimension),
      );
    // Without a bound the sum is read, here with a model that cannot be.
    await assert.rejects(evaluate({ falseAlarm: 1e-9 }), { name: "FedKimError" });
    await evaluate({ falseAlarm: 1e-9, heldOutUnits: UNITS });
    assert.equal(await crossSiteResultOf(runs, plan), undefined);
    assert.deepEqual((await runs.metrics(planHash)).map(({ kind, reason }) => [kind, reason]), [
      ["aborted", "sum_too_long"],
    ]);
    const [{ event, details }] = await audit.read();
    assert.deepEqual([event, details.code, details.reason], [
      "step_aborted",
      "ProtocolAbort",
      "sum_too_long",
    ]);
  } finally {
    await store.close();
  }
});

/** An aggregation whose secure sums are given; everything else is the product's. */
async function aggregateSums(sums: readonly Uint32Array[], sumCheck: object | undefined) {
  const steps = 100;
  const plan = planOf({ steps });
  const store = await openStore(":memory:");
  const runs = new RunStore(store, "test", undefined);
  const audit = new AuditLog(store);
  const told: string[] = [];
  const metrics: Record<string, unknown>[] = [];
  const config = checkAggregatorConfig({
    ...LEAST_CONFIG,
    sites: ["a", "b", "c", "d"],
    ...(sumCheck === undefined ? {} : { sumCheck }),
  }, "The configuration");
  const flat = new Float64Array(plan.dp.request.dimension);
  const optimizer = { step: 0, dimension: flat.length, memory: [] };
  const start = steps - sums.length;
  const state = { round: start, abortsInARow: 0, flat, optimizer, best: undefined };
  const weights = { tensors: new Map(spec.parameters.map(({ name, shape }) => [name, tensorOf(shape)])) };
  let at = 0;
  const running = aggregate(
    {
      config,
      plan,
      base: weights.tensors,
      stage: Promise.resolve({ spec, validation: { data: { sets: [] } }, tasks: [] }),
      state,
      runs,
      audit,
      identity: undefined,
      artefacts: { put: () => "0".repeat(64), delete: () => {} },
      desk: {
        enoughPresent: () => Promise.resolve(),
        tellAborted: (_: number, reason: string) => told.push(reason),
        runSession: () =>
          Promise.resolve({
            kind: "sum",
            sum: sums[at++],
            survivors: ["a", "b", "c", "d"],
            transcript: new Uint8Array(32),
          }),
      },
      run: {
        metric: (line: Record<string, unknown>) => (metrics.push(line), Promise.resolve()),
        checkpoint: () => {},
      },
      engine: undefined,
      onProgress: () => {},
    } as unknown as Parameters<typeof aggregate>[0],
  );
  const result = await running.then((flat) => ({ flat }), (error: Error) => ({ error }));
  const entries = await audit.read();
  await store.close();
  return { result, told, metrics, entries };
}

function tensorOf(shape: readonly number[]) {
  return { shape, data: new Float32Array(shape.reduce((product, size) => product * size, 1)) };
}

Deno.test("with the check a long sum is dropped and recorded, and the schedule goes on from the step before", async () => {
  const plan = planOf({ steps: 100 });
  const honest = worstHonestSum(plan, 1, 0.5);
  const long = honest.map((word) => word + 2 ** 26);
  const { result, told, metrics, entries } = await aggregateSums([long, honest, long, honest], {});
  assert.ok("flat" in result);
  const alone = await aggregateSums([honest, honest], {});
  assert.ok("flat" in alone.result && "flat" in result);
  const largest = Math.max(...result.flat.map(Math.abs));
  assert.ok(largest > 0 && largest <= 0.1, "only the honest steps have moved the model");
  const aborted = metrics.filter(({ kind }) => kind === "aborted");
  assert.deepEqual(aborted.map(({ reason }) => reason), ["sum_too_long", "sum_too_long"]);
  assert.equal(told.length, 2);
  const noted = entries.filter(({ event }) => event === "step_aborted");
  assert.deepEqual(noted.map(({ details }) => [details.code, details.reason]), [
    ["ProtocolAbort", "sum_too_long"],
    ["ProtocolAbort", "sum_too_long"],
  ]);
  const without = await aggregateSums([long, honest], undefined);
  assert.ok("flat" in without.result, "without the check the same sum is applied");
  assert.deepEqual(without.told, []);
});

Deno.test("three refused sums in a row end the run: the check stops a run rather than let it through", async () => {
  const long = worstHonestSum(planOf({ steps: 100 }), 1).map((word) => word + 2 ** 26);
  const { result, told } = await aggregateSums([long, long, long, long], {});
  assert.ok("error" in result);
  assert.equal((result.error as unknown as { code: string }).code, "ProtocolAbort");
  assert.equal(told.length, 3);
});

Deno.test("settings of the check that mean nothing are refused", () => {
  for (
    const sumCheck of [{ falseAlarm: 0 }, { falseAlarm: 1 }, { units: 0 }, { heldOutUnits: 0 }, { unit: 3 }]
  ) {
    assert.throws(
      () => checkAggregatorConfig({ ...LEAST_CONFIG, sumCheck }, "The configuration"),
      { code: "ConfigError" },
    );
  }
});
