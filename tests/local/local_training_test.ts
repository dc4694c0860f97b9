import assert from "node:assert/strict";
import { join } from "node:path";
import {
  clippedGradientSum,
  composeSite,
  localTrainingEvent,
  type LocalTrainingOptions,
  type LocalTrainingState,
  type LocalUpdate,
  prepareFeatures,
  readTrainingState,
  trainLocalPrivately,
  units,
  writeTrainingState,
} from "../../src/local/mod.ts";
import { optimizerStep, scheduleShare } from "../../src/local/optimizer.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { tf } from "../../src/tensor/mod.ts";
import { type Case, makeCase, RESIDUAL } from "./_attention_fixture.ts";
import { madeUpSite } from "./_fixtures.ts";

const SITE = [1, 3, 2, 1, 5];

/** A step's sum plus Gaussian noise of a given deviation. */
function noisy(seed: number, deviation = 1): (sum: Float64Array) => Float64Array {
  const random = new SeededRandom(seed);
  return (sum) => sum.map((value) => value + deviation * random.normal());
}

const rates = (rate: number): Map<string, number> => new Map([["icu", rate], ["cxr", rate], ["ecg", rate]]);

function bytesOf(seed: number): (length: number) => Uint8Array {
  const random = new SeededRandom(seed);
  return (length) => Uint8Array.from({ length }, () => random.integer(256));
}

const BASE: LocalTrainingOptions = {
  steps: 4,
  samplingRate: rates(1),
  clip: new Map([["icu", 0.5], ["cxr", 0.5], ["ecg", 0.5]]),
  expectedUnits: 10,
  optimizer: { type: "sgd", momentum: 0 },
  learningRate: 0.1,
  schedule: { type: "constant" },
  proximal: 0,
  updateClip: 1e9,
  privacy: { type: "none" },
};

async function run(
  { spec, weights, features }: Case,
  options: LocalTrainingOptions,
  resume?: LocalTrainingState,
): Promise<{ readonly update: LocalUpdate; readonly states: LocalTrainingState[] }> {
  const states: LocalTrainingState[] = [];
  const training = trainLocalPrivately(spec, weights, features, options, resume);
  let step = await training.next();
  while (step.done !== true) {
    states.push(step.value.state);
    step = await training.next();
  }
  return { update: step.value, states };
}

const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  norm(Array.from(a, (value, i) => value - b[i]));

Deno.test("one step at full sampling is the clipped sum, plus the noise, over the public divisor", async () => {
  const made = await makeCase(RESIDUAL, SITE);
  const all = new Map([...made.features.sets].map(([name, set]) => [name, units(set)] as const));
  const { sum } = await clippedGradientSum(made.spec, made.weights, made.features, all, BASE.clip);
  const released = noisy(5, 2)(sum);
  const { update } = await run(made, {
    ...BASE,
    steps: 1,
    privacy: { type: "dp_sgd", noiseMultiplier: 2, release: noisy(5, 2) },
  });
  const expected = released.map((value) => -0.1 * value / 10);
  assert.ok(distance(update.update, expected) < 1e-5 * norm(expected));
});

Deno.test("a run without privacy lowers the loss that it follows, and FedProx pulls it back", async () => {
  const made = await makeCase(RESIDUAL, SITE);
  const free = await run(made, { ...BASE, steps: 10 });
  const held = await run(made, { ...BASE, steps: 10, proximal: 5 });
  assert.ok(norm(free.update.update) > 0);
  assert.ok(norm(held.update.update) < 0.7 * norm(free.update.update));
  const gradientAt = async (state: LocalTrainingState): Promise<number> => {
    const { privacy: _, ...rest } = BASE;
    const { update } = await run(made, { ...rest, privacy: { type: "none" }, steps: state.step + 1 }, state);
    return distance(update.state.parameters, state.parameters);
  };
  assert.ok(await gradientAt(free.states[9]) < await gradientAt(free.states[0]));
});

Deno.test("a run goes on from a written checkpoint exactly as without a break, for SGD and Adam", async () => {
  const made = await makeCase(RESIDUAL, SITE);
  const dir = await Deno.makeTempDir();
  for (
    const optimizer of [
      { type: "sgd", momentum: 0.9 },
      { type: "adam", beta1: 0.9, beta2: 0.99, epsilon: 1e-8 },
    ] as const
  ) {
    const options = { ...BASE, optimizer };
    const whole = await run(made, options);
    const path = join(dir, `${optimizer.type}.safetensors`);
    await writeTrainingState(path, whole.states[1]);
    const rest = await run(made, options, await readTrainingState(path));
    assert.equal(rest.states.length, 2);
    assert.deepEqual(rest.update.update, whole.update.update);
  }
  await Deno.writeTextFile(join(dir, "other"), "not a checkpoint");
  await assert.rejects(readTrainingState(join(dir, "other")), { code: "FormatError" });
  const short = {
    step: 1,
    parameters: new Float32Array(3),
    first: new Float32Array(3),
    second: new Float32Array(3),
  };
  await assert.rejects(run(made, BASE, short), { code: "ModelError" });
  await Deno.remove(dir, { recursive: true });
});

Deno.test("sampling and noise come from the given sources only: same bytes, same run; microbatches do not matter", async () => {
  const made = await makeCase(RESIDUAL, SITE);
  const options = (seed: number, rows: number): LocalTrainingOptions => ({
    ...BASE,
    samplingRate: rates(0.5),
    randomBytes: bytesOf(seed),
    microbatchRows: rows,
    privacy: { type: "dp_sgd", noiseMultiplier: 1, release: noisy(seed) },
  });
  const [first, same, small, other] = [
    await run(made, options(1, 64)),
    await run(made, options(1, 64)),
    await run(made, options(1, 4)),
    await run(made, options(2, 64)),
  ];
  assert.deepEqual(first.update.update, same.update.update);
  assert.ok(distance(first.update.update, small.update.update) < 1e-5 * norm(first.update.update));
  assert.ok(distance(first.update.update, other.update.update) > 0.1 * norm(first.update.update));
});

Deno.test("the update is never longer than its clip, and says whether it was shortened", async () => {
  const made = await makeCase(RESIDUAL, SITE);
  const whole = (await run(made, BASE)).update;
  assert.equal(whole.clipped, false);
  const { update, clipped } = (await run(made, { ...BASE, updateClip: norm(whole.update) / 3 })).update;
  assert.equal(clipped, true);
  assert.ok(norm(update) <= norm(whole.update) / 3);
  assert.ok(distance(update.map((value) => 3 * value), whole.update) < 1e-6 * norm(whole.update));
});

Deno.test("an empty site and an empty sample still step: by noise alone, and nothing leaks tensors", async () => {
  const made = await makeCase(RESIDUAL, SITE);
  const nobody = composeSite(
    "empty",
    "empty",
    madeUpSite(1, []).sets.map(({ name, manifest }) => {
      return { dir: name, manifest, records: [] };
    }),
  );
  const features = prepareFeatures(made.spec, made.weights, nobody, {
    dimension: 6,
    embed: () => new Float32Array(),
  });
  const before = tf.memory().numTensors;
  const { update } = await run({ ...made, features }, {
    ...BASE,
    privacy: { type: "dp_sgd", noiseMultiplier: 1, release: noisy(1) },
  });
  assert.ok(norm(update.update) > 0);
  await run(made, BASE);
  assert.equal(tf.memory().numTensors, before);
});

Deno.test("options out of range and noise of another length are refused before anything moves", async () => {
  const made = await makeCase(RESIDUAL, SITE);
  const wrong: Partial<LocalTrainingOptions>[] = [
    { steps: 0 },
    { samplingRate: rates(0) },
    { samplingRate: rates(1.5) },
    { samplingRate: new Map([["icu", 1]]) },
    { privacy: { type: "dp_sgd", noiseMultiplier: 1, release: (sum) => sum.fill(NaN) } },
    { expectedUnits: 0 },
    { learningRate: NaN },
    { proximal: -1 },
    { updateClip: 0 },
    { optimizer: { type: "sgd", momentum: 1 } },
    { privacy: { type: "dp_sgd", noiseMultiplier: 0, release: noisy(1) } },
    { privacy: { type: "dp_sgd", noiseMultiplier: 1, release: () => new Float64Array(3) } },
    { clip: new Map([["icu", -1]]) },
  ];
  for (const change of wrong) {
    await assert.rejects(run(made, { ...BASE, ...change }), { code: "ConfigError" });
  }
});

Deno.test("localTrainingEvent() is the schedule that was run, and refuses a run without noise", () => {
  const event = localTrainingEvent({
    ...BASE,
    privacy: { type: "dp_sgd", noiseMultiplier: 3, release: noisy(1) },
  }, "icu");
  const step = { type: "poisson", q: 1, event: { type: "gaussian", sigma: 3 } };
  assert.deepEqual(event, { type: "self_composed", event: step, count: 4 });
  assert.throws(() => localTrainingEvent(BASE, "icu"), { code: "ConfigError" });
});

Deno.test("optimizers and schedules follow their equations", () => {
  const moments = { first: new Float32Array(1), second: new Float32Array(1) };
  const w = Float32Array.of(1);
  const adam = { type: "adam", beta1: 0.9, beta2: 0.99, epsilon: 1e-8 } as const;
  // Bias correction makes the first step of Adam as long as the rate, whatever the gradient.
  optimizerStep(adam, moments, w, Float64Array.of(1e-3), 0.1, 1);
  assert.ok(Math.abs(w[0] - 0.9) < 1e-4);
  const heavy = { first: Float32Array.of(2), second: new Float32Array(1) };
  optimizerStep({ type: "sgd", momentum: 0.5 }, heavy, w.fill(0), Float64Array.of(1), 0.1, 2);
  assert.ok(Math.abs(w[0] + 0.2) < 1e-6);
  const linear = { type: "linear", last: 0.1 } as const;
  assert.equal(scheduleShare(linear, 1, 10), 1);
  assert.ok(Math.abs(scheduleShare(linear, 10, 10) - 0.1) < 1e-12);
  const cosine = { type: "cosine", warmup: 2, last: 0 } as const;
  assert.deepEqual([1, 2].map((step) => scheduleShare(cosine, step, 10)), [0.5, 1]);
  assert.ok(Math.abs(scheduleShare(cosine, 6, 10) - 0.5) < 1e-12 && scheduleShare(cosine, 10, 10) < 1e-12);
});
