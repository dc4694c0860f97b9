import assert from "node:assert/strict";
import {
  createPlan,
  decodeSum,
  encodeUpdate,
  epsilonAt,
  openLedger,
  viewGuarantees,
} from "../../src/dp/mod.ts";
import { aggregatedGradient } from "../../src/federation/aggregation.ts";
import { readAggregatorConfig } from "../../src/federation/config.ts";
import {
  type FederationPlan,
  federationPlanHash,
  type LocalPlan,
  openPlan,
  sealPlan,
} from "../../src/federation/federation_plan.ts";
import { gatePlan } from "../../src/federation/plan_gate.ts";
import { serverOptimizerOf } from "../../src/federation/server_defaults.ts";
import { initServerOptimizer, serverStep } from "../../src/federation/server_optimizer.ts";
import { stepContribution, type TrainingSite } from "../../src/federation/site_training.ts";
import { decodeModelUpdates, encodeModelUpdate, updateScale } from "../../src/federation/update_encoding.ts";
import {
  createSpec,
  defaultClip,
  federatedParameters,
  flatten,
  prepareFeatures,
  pretrainOnPublic,
  trainLocalPrivately,
  unflatten,
} from "../../src/local/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { LETTERS, madeUpSite, TASKS } from "../local/_fixtures.ts";
import { aggregator, makePlan, policy, sites } from "./_plan.ts";

const STEPS = 5;

/** The plan of `makePlan` in local mode: ten rounds of five steps. */
function localPlan(epsilon = 4, change: Partial<LocalPlan["local"]> = {}): LocalPlan {
  const { mode: _, ...terms } = makePlan(epsilon);
  const { request } = terms.dp;
  return {
    ...terms,
    mode: "local",
    local: {
      steps: STEPS,
      optimizer: { type: "sgd", momentum: 0 },
      learningRate: 0.1,
      schedule: { type: "constant" },
      roundSchedule: { type: "linear", last: 0.1 },
      proximal: 0.01,
      expectedUnits: 20,
      updateClip: 2,
      ...change,
    },
    dp: createPlan({ ...request, profile: { type: "local", stepsPerRound: STEPS } }),
  };
}

function bytesOf(seed: number): (length: number) => Uint8Array {
  const random = new SeededRandom(seed);
  return (length) => Uint8Array.from({ length }, () => random.integer(256));
}

/** Three sites that hold patients of all sets, and a plan for them. */
async function threeSites(
  change: Partial<LocalPlan["local"]>,
): Promise<{ plan: LocalPlan; sites: TrainingSite[] }> {
  await selectBackend("wasm");
  const publicData = madeUpSite(1, [1, 2, 3, 1, 2]);
  const spec = createSpec(publicData, TASKS, { tokenDimension: 6 });
  const base = await pretrainOnPublic(spec, publicData, LETTERS, { seed: 1, steps: 5 });
  const clip = defaultClip(spec);
  const shape = localPlan(8, change);
  const plan: LocalPlan = {
    ...shape,
    model: { ...shape.model, spec },
    dp: createPlan({
      ...shape.dp.request,
      populations: [...clip].map(([name, maxGradNorm]) => ({
        name,
        unit: "patient",
        samplingRate: 0.5,
        maxGradNorm,
      })),
      dimension: federatedParameters(spec).dimension,
      target: { epsilon: 8 },
    }),
  };
  const populations = [...clip.keys()];
  return {
    plan,
    sites: [2, 3, 4].map((seed) => ({
      plan,
      base,
      features: prepareFeatures(spec, base, madeUpSite(seed, [1, 4, 2, 1]), LETTERS),
      populations,
    })),
  };
}

Deno.test("in local mode a round costs all of a site's steps, and epsilon is the same against everybody", () => {
  const { dp } = localPlan();
  const step = {
    type: "poisson",
    q: 0.1,
    event: { type: "gaussian", sigma: dp.noise.noiseMultiplier },
  } as const;
  assert.deepEqual(dp.events[0].step, { type: "self_composed", event: step, count: STEPS });
  assert.deepEqual(dp.events[0].schedule, { type: "self_composed", event: step, count: 10 * STEPS });
  const all = { type: "self_composed", event: step, count: 50 } as const;
  const { epsilon } = epsilonAt(all, 1e-5, { neighboring: "add_or_remove_one" });
  assert.equal(dp.guarantees[0].epsilon, epsilon);
  assert.ok(epsilon <= 4);
  const views = viewGuarantees(dp);
  assert.equal(views.length, 8);
  for (const view of views) {
    assert.equal(view.epsilon, epsilon, `${view.view} with ${view.survivors}`);
    assert.equal(view.noiseMultiplier, dp.noise.noiseMultiplier);
  }
  for (const view of viewGuarantees(dp, 3)) assert.ok(view.epsilon < epsilon);
});

Deno.test("in local mode every site adds the whole noise; a share would be refused", () => {
  const { dp } = localPlan();
  const { numerator, denominator } = dp.noise.shareVariance;
  const deviation = Math.sqrt(Number(numerator) / Number(denominator));
  assert.equal(dp.noise.honestShares, 1);
  assert.ok(deviation >= dp.noise.noiseMultiplier * dp.encoding.sensitivity);
  // The rounding of the sum is charged: sensitivity D = s (1 + eta) + sqrt(d).
  const { scale, sensitivity } = dp.encoding;
  assert.ok(sensitivity >= scale * (1 + dp.request.floatSlack) + Math.sqrt(dp.request.dimension));
  const random = new SeededRandom(3);
  const sum = Float64Array.from({ length: dp.request.dimension }, () => random.normal());
  const rounds = 40;
  let squares = 0;
  for (let round = 0; round < rounds; round++) {
    const released = decodeSum(dp, encodeUpdate(dp, sum));
    released.forEach((value, i) => squares += (value - sum[i]) ** 2);
  }
  const ratio = Math.sqrt(squares / (rounds * sum.length)) * scale / deviation;
  // Standard error of the ratio for n Gaussian draws: 1 / sqrt(2 n); false alarms below 1e-9 at seven of them.
  assert.ok(Math.abs(ratio - 1) < 7 / Math.sqrt(2 * rounds * sum.length), `${ratio}`);
});

Deno.test("gatePlan() refuses noise shares where sites train alone, whole noise where they share, and other step counts", () => {
  const plan = localPlan();
  const units = new Map([["icu", "patient"]]);
  gatePlan(plan, policy, sites[0], units);
  const refused = (other: FederationPlan, reason: string) =>
    assert.throws(
      () => gatePlan(other, policy, sites[0], units),
      (error: Error & { details: { reason: string } }) => {
        assert.equal(error.details.reason, reason);
        return true;
      },
    );
  refused({ ...plan, dp: makePlan().dp }, "mode_mismatch");
  refused({ ...makePlan(), dp: plan.dp }, "mode_mismatch");
  refused({ ...plan, local: { ...plan.local, steps: STEPS + 1 } }, "mode_mismatch");
  refused(localPlan(8.1), "epsilon");
});

Deno.test("a local plan opens as it was sealed; steps, rule and clip have to be in it and in range", () => {
  const plan = localPlan();
  const opened = openPlan(sealPlan(plan, aggregator), aggregator.publicKey);
  assert.equal(federationPlanHash(opened), federationPlanHash(plan));
  const open = (local: unknown) =>
    openPlan(sealPlan({ ...plan, local: local as LocalPlan["local"] }, aggregator), aggregator.publicKey);
  const wrong = [
    undefined,
    { ...plan.local, steps: 0 },
    { ...plan.local, updateClip: Infinity },
    { ...plan.local, proximal: -1 },
    { ...plan.local, roundSchedule: { type: "linear", last: 0 } },
    { ...plan.local, optimizer: { type: "adam" } },
    { ...plan.local, more: 1 },
  ];
  for (const local of wrong) assert.throws(() => open(local), { code: "FormatError" });
  const { local: _, ...without } = plan;
  const sealed = sealPlan({ ...without, mode: "distributed" }, aggregator);
  // The privacy numbers are those of local mode: the plan opens, and the gate refuses it.
  assert.equal(openPlan(sealed, aggregator.publicKey).mode, "distributed");
});

Deno.test("the ledger takes a local round as one charge, ten of them, and no eleventh", async () => {
  const dir = await Deno.makeTempDir();
  const { dp } = localPlan();
  const budgets = [{
    population: "icu",
    unit: "patient",
    neighboring: "add_or_remove_one",
    epsilon: 4,
    delta: 1e-5,
  }];
  using ledger = await openLedger(`${dir}/ledger.jsonl`, { site: "a", budgets: budgets as never });
  await ledger.commit({ planHash: "ab", schedules: dp.events, delta: 1e-5 });
  const charge = (round: number) =>
    ledger.charge({ planHash: "ab", round, charges: [{ population: "icu", event: dp.events[0].step }] });
  await charge(1);
  const [first] = ledger.status().populations;
  assert.equal(first.roundsLeft, 9);
  assert.ok(Math.abs(first.spent - viewGuarantees(dp, 1)[0].epsilon) < 1e-9);
  for (let round = 2; round <= 10; round++) await charge(round);
  assert.ok(Math.abs(ledger.status().populations[0].spent - dp.guarantees[0].epsilon) < 1e-9);
  await assert.rejects(charge(11), { code: "BudgetExceeded" });
  await Deno.remove(dir, { recursive: true });
});

Deno.test("model updates add up on their grid: no site count, clip or sign leaves the ring", () => {
  const plan = localPlan();
  for (const clip of [1e-3, 2, 999]) {
    for (const count of [3, 4, 64]) {
      const roster = Array.from({ length: count }, (_, i) => ({ site: `s${i}`, publicKey: "0".repeat(64) }));
      const other: LocalPlan = { ...plan, roster, local: { ...plan.local, updateClip: clip } };
      for (const sign of [1, -1]) {
        const update = Float64Array.of(sign * clip, 0, 0);
        const sum = new Uint32Array(3);
        for (let i = 0; i < count; i++) encodeModelUpdate(other, update).forEach((word, k) => sum[k] += word);
        const [decoded] = decodeModelUpdates(other, sum);
        assert.ok(Math.abs(decoded - sign * clip * count) <= count / updateScale(other));
      }
    }
  }
  assert.throws(() => encodeModelUpdate(plan, Float64Array.of(2, 0.1)), { code: "InternalError" });
  assert.throws(() => encodeModelUpdate(plan, Float64Array.of(NaN)), { code: "InternalError" });
});

Deno.test("federated averaging of one round is the mean of the sites' noised models", async () => {
  const { plan, sites: three } = await threeSites({ updateClip: 50 });
  const anchor = flatten(plan.model.spec, three[0].base);
  const sum = new Uint32Array(anchor.length);
  const mean = new Float64Array(anchor.length);
  for (const [i, site] of three.entries()) {
    const steps: number[] = [];
    const vector = await stepContribution(site, anchor, bytesOf(i), {
      round: 4,
      onStep: (step) => steps.push(step),
    });
    assert.deepEqual(steps, [1, 2, 3, 4, 5]);
    vector.forEach((word, k) => sum[k] += word);
    // The same bytes, the same run: what a site hands in is its clipped change and nothing else.
    const randomBytes = bytesOf(i);
    const training = trainLocalPrivately(
      plan.model.spec,
      unflatten(plan.model.spec, site.base, anchor),
      site.features,
      {
        ...plan.local,
        // The fourth of ten rounds of a line from 1 to a tenth.
        learningRate: 0.7 * plan.local.learningRate,
        samplingRate: new Map(
          plan.dp.request.populations.map(({ name, samplingRate }) => [name, samplingRate]),
        ),
        clip: new Map(plan.dp.request.populations.map(({ name, maxGradNorm }) => [name, maxGradNorm])),
        privacy: {
          type: "dp_sgd",
          noiseMultiplier: plan.dp.noise.noiseMultiplier,
          release: (values) => decodeSum(plan.dp, encodeUpdate(plan.dp, values, randomBytes)),
        },
        randomBytes,
      },
    );
    let next = await training.next();
    while (next.done !== true) next = await training.next();
    assert.ok(!next.value.clipped);
    next.value.update.forEach((value, k) => mean[k] += value / plan.roster.length);
  }
  const config = await configOf({ mode: "local" });
  const optimizer = serverOptimizerOf(config, 10);
  assert.deepEqual([optimizer.name, optimizer.learningRate, optimizer.beta1, optimizer.decaySteps], [
    "fedavg",
    1,
    0,
    0,
  ]);
  const state = initServerOptimizer(anchor.length);
  const { parameters } = serverStep(optimizer, state, anchor, anchor, aggregatedGradient(plan, sum));
  const error = Math.max(...parameters.map((value, i) => Math.abs(value - anchor[i] - mean[i])));
  assert.ok(error < 1e-6, `${error}`);
});

Deno.test("a site's update in local mode is as long as its clip where training went further", async () => {
  const { plan, sites: [site] } = await threeSites({ updateClip: 0.25 });
  const anchor = flatten(plan.model.spec, site.base);
  const update = decodeModelUpdates(plan, await stepContribution(site, anchor, bytesOf(1)));
  const norm = Math.sqrt(update.reduce((total, value) => total + value * value, 0));
  assert.ok(norm <= 0.25 + Math.sqrt(update.length) / updateScale(plan) && norm > 0.249, `${norm}`);
});

/** A configuration as it is read from a file. */
async function configOf(fields: Record<string, unknown>) {
  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(
    `${dir}/a.json`,
    JSON.stringify({
      federation: "demo",
      state: "state",
      run: "run",
      sites: ["a", "b", "c"],
      data: { public: "public" },
      foundationModel: "model",
      privacy: { neighboring: "add_or_remove_one" },
      ...fields,
    }),
  );
  const config = await readAggregatorConfig(`${dir}/a.json`);
  await Deno.remove(dir, { recursive: true });
  return config;
}

Deno.test("a configuration chooses the mode, and its defaults are the mode's", async () => {
  const plain = await configOf({});
  assert.equal(plain.mode, "distributed");
  assert.deepEqual([serverOptimizerOf(plain, 100).name, serverOptimizerOf(plain, 100).learningRate], [
    "fedadam",
    0.02,
  ]);
  const local = await configOf({ mode: "local", local: { steps: 3, proximal: 0.1 } });
  assert.deepEqual([local.local.steps, local.local.proximal, local.local.updateClip], [3, 0.1, 10]);
  const yogi = serverOptimizerOf(await configOf({ mode: "local", optimizer: { name: "fedyogi" } }), 10);
  assert.deepEqual([yogi.name, yogi.learningRate, yogi.beta1], ["fedyogi", 0.02, 0.9]);
  await assert.rejects(configOf({ mode: "local", local: { steps: 0 } }), /local\.steps/);
  await assert.rejects(configOf({ mode: "both" }), /mode/);
});

Deno.test("a configuration sizes the local model and names what sites share", async () => {
  const { model } = await configOf({
    model: { dEnc: 16, federate: ["head.*"], attention: { timeseries: { tokens: 4 } } },
  });
  const publicData = madeUpSite(1, [1, 2, 3]);
  const spec = createSpec(publicData, TASKS, { ...model, tokenDimension: 6 });
  const vitals = spec.encoders.find(({ modality }) => modality === "vitals")!;
  assert.deepEqual([spec.dEnc, vitals.tokens, vitals.attention?.blocks], [16, 4, 1]);
  assert.ok(spec.parameters.every(({ name, federated }) => federated === name.startsWith("head.")));
  const plain = await configOf({});
  assert.deepEqual(createSpec(publicData, TASKS, plain.model), createSpec(publicData, TASKS));
  await assert.rejects(configOf({ model: { tokenDimension: 3 } }), /model/);
  await assert.rejects(configOf({ model: { attention: { video: {} } } }), /model\.attention/);
});
