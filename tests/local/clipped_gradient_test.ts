import assert from "node:assert/strict";
import { setModel, uploadBatch } from "../../src/local/_batch.ts";
import { logits, summedLoss } from "../../src/local/_forward.ts";
import {
  clippedGradientSum,
  createSpec,
  federatedParameters,
  flatten,
  type LocalModelSpec,
  type LocalWeights,
  prepareFeatures,
  pretrainOnPublic,
  type SetFeatures,
  type SiteFeatures,
  unflatten,
  units,
} from "../../src/local/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { type BackendName, readFloat32, selectBackend, tf } from "../../src/tensor/mod.ts";
import { LETTERS, madeUpSite, TASKS } from "./_fixtures.ts";

const SIZES = [1, 2, 90, 1, 7, 3, 1, 64, 65, 5];

interface Case {
  readonly spec: LocalModelSpec;
  readonly weights: LocalWeights;
  readonly features: SiteFeatures;
}

/** A model with random, non-zero federated weights, so that every layer has a gradient. */
async function makeCase(): Promise<Case> {
  await selectBackend("wasm");
  const spec = createSpec(madeUpSite(1, [2, 3, 1, 4]), TASKS, { dEnc: 8, hidden: 5, tokenDimension: 6 });
  const start = await pretrainOnPublic(spec, madeUpSite(1, [2, 3, 1, 4]), LETTERS, { seed: 7, steps: 1 });
  const random = new SeededRandom(3);
  const weights = unflatten(spec, start, flatten(spec, start).map(() => 0.4 * random.normal()));
  return { spec, weights, features: prepareFeatures(spec, weights, madeUpSite(2, SIZES), LETTERS) };
}

/** The slow way: one unit at a time, the whole gradient of its summed loss by tfjs' own differentiation. */
async function slowGradient({ spec, weights }: Case, set: SetFeatures, unit: string): Promise<Float64Array> {
  const model = setModel(spec, set);
  const { parameters, dimension } = federatedParameters(spec);
  const variables = new Map(parameters.map(({ name, shape }) => {
    return [name, tf.variable(tf.tensor(weights.get(name)?.data ?? [], [...shape]), true, name)] as const;
  }));
  const rows = set.rowsOf.get(unit) ?? [];
  const { value, grads } = tf.variableGrads(() => {
    const batch = uploadBatch(spec, set, model, rows, rows.length);
    const outputs = logits(spec, model, batch, (name) => variables.get(name) as tf.Tensor, (_, __, z) => z);
    return summedLoss(model.heads, outputs, batch);
  });
  const flat = new Float64Array(dimension);
  for (const { name, offset } of parameters) {
    const gradient = grads[name];
    if (gradient !== null && gradient !== undefined) flat.set(await readFloat32(gradient), offset);
  }
  value.dispose();
  for (const item of [...Object.values(grads), ...variables.values()]) item?.dispose();
  return flat;
}

const norm = (vector: Float64Array): number =>
  Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));

function assertClose(actual: Float64Array, expected: Float64Array, tolerance: number): void {
  const scale = Math.max(...expected.map(Math.abs));
  const worst = actual.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at])), 0);
  assert.ok(worst <= tolerance * scale, `difference ${worst} at scale ${scale}`);
}

/** How much is compared on each backend; a GPU compiles a program for every new shape of the slow loop. */
const COMPARED: Record<BackendName, { readonly sets: readonly string[]; readonly units: number }> = {
  wasm: { sets: ["icu", "cxr", "ecg"], units: 12 },
  cpu: { sets: ["icu", "cxr", "ecg"], units: 12 },
  webgpu: { sets: ["cxr"], units: 3 },
};
const CLIPS = new Map([["icu", 3], ["cxr", 0.5], ["ecg", 1]]);
const noGpu = (await navigator.gpu?.requestAdapter() ?? null) === null;

for (const backend of Object.keys(COMPARED)) {
  const name = `clippedGradientSum() agrees with a loop over units of 1 to 90 records on ${backend}`;
  Deno.test({ name, ignore: backend === "webgpu" && noGpu, fn: () => compare(backend as BackendName) });
}

async function compare(backend: BackendName): Promise<void> {
  const made = await makeCase();
  await selectBackend(backend);
  for (const name of COMPARED[backend].sets) {
    const clip = CLIPS.get(name) ?? 1;
    const set = made.features.sets.get(name) as SetFeatures;
    const chosen = units(set).slice(0, COMPARED[backend].units);
    const expected = new Float64Array(federatedParameters(made.spec).dimension);
    let clipped = 0;
    for (const unit of chosen) {
      const gradient = await slowGradient(made, set, unit);
      const length = norm(gradient);
      if (length > clip) clipped++;
      gradient.forEach((value, at) => expected[at] += value / Math.max(clip, length));
    }
    const sampled = new Map([[name, chosen]]);
    const bounds = new Map([[name, clip]]);
    const result = await clippedGradientSum(made.spec, made.weights, made.features, sampled, bounds);
    assertClose(result.sum, expected, 2e-5);
    assert.equal(result.clipped, clipped);
    assert.ok(clipped > 0, "the clip is active");
  }
}

Deno.test("clippedGradientSum() is the sum of what each unit gives alone, wherever batches are cut", async () => {
  const { spec, weights, features } = await makeCase();
  const clip = new Map([["icu", 1], ["cxr", 1], ["ecg", 1]]);
  const all = new Map(
    [...features.sets].map(([name, set]) => [name, units(set).slice(0, 20).reverse()] as const),
  );
  const together = await clippedGradientSum(spec, weights, features, all, clip);
  const apart = new Float64Array(together.sum.length);
  for (const [name, chosen] of all) {
    for (const unit of chosen) {
      const alone = await clippedGradientSum(spec, weights, features, new Map([[name, [unit]]]), clip);
      assert.ok(norm(alone.sum) <= 1, "a unit contributes at most 1");
      alone.sum.forEach((value, at) => apart[at] += value);
    }
  }
  assertClose(together.sum, apart, 1e-6);
});

Deno.test("clippedGradientSum() of nobody is zero, and frees every tensor", async () => {
  const { spec, weights, features } = await makeCase();
  const before = tf.memory().numTensors;
  const none = await clippedGradientSum(
    spec,
    weights,
    features,
    new Map([["icu", []]]),
    new Map([["icu", 1]]),
  );
  assert.deepEqual(none.sum, new Float64Array(federatedParameters(spec).dimension));
  const some = new Map([["icu", units(features.sets.get("icu") as SetFeatures)]]);
  await clippedGradientSum(spec, weights, features, some, new Map([["icu", 1]]));
  assert.equal(tf.memory().numTensors, before);
});

Deno.test("clippedGradientSum() counts units with a gradient that is not finite and leaves the others alone", async () => {
  const { spec, weights, features } = await makeCase();
  const set = features.sets.get("cxr") as SetFeatures;
  const chosen = units(set).slice(0, 5);
  const tokens = set.tokens.get("image");
  assert.ok(tokens !== undefined);
  const width = tokens.data.length / set.size;
  const [damagedRow] = set.rowsOf.get(chosen[1]) ?? [];
  const clip = new Map([["cxr", 1]]);
  const others = new Map([["cxr", chosen.filter((_, index) => index !== 1)]]);
  const expected = await clippedGradientSum(spec, weights, features, others, clip);
  for (const poison of [NaN, Infinity, 3e38]) {
    const data = tokens.data.slice();
    data.fill(poison, damagedRow * width, (damagedRow + 1) * width);
    const damaged = {
      sets: new Map([["cxr", { ...set, tokens: new Map([["image", { ...tokens, data }]]) }]]),
    };
    const result = await clippedGradientSum(spec, weights, damaged, new Map([["cxr", chosen]]), clip);
    assert.equal(result.nonFinite, 1);
    assertClose(result.sum, expected.sum, 1e-6);
  }
});

Deno.test("clippedGradientSum() refuses unknown units and clips that are not positive", async () => {
  const { spec, weights, features } = await makeCase();
  const step = (unit: string, clip: number): Promise<unknown> =>
    clippedGradientSum(spec, weights, features, new Map([["cxr", [unit]]]), new Map([["cxr", clip]]));
  await assert.rejects(step("nobody", 1), { code: "ConfigError" });
  for (const clip of [0, -1, NaN, Infinity]) await assert.rejects(step("c0", clip), { code: "ConfigError" });
});
