import assert from "node:assert/strict";
import fc from "fast-check";
import { EMPTY_ROW, setModel, uploadBatch } from "../../src/local/_batch.ts";
import { logits, summedLoss } from "../../src/local/_forward.ts";
import { noHook } from "../../src/local/_layer_ops.ts";
import { drawKeys } from "../../src/local/_dealing.ts";
import { dealUnits } from "../../src/local/_microbatches.ts";
import {
  type ClippedGradientSum,
  clippedGradientSum,
  type EngineName,
  federatedParameters,
  type HostTensor,
  type SetFeatures,
  type StemTokens,
  units,
} from "../../src/local/mod.ts";
import { cryptoRandomBytes } from "../../src/formats/random_bytes.ts";
import { type BackendName, readFloat32, selectBackend, tf } from "../../src/tensor/mod.ts";
import { required } from "../_shared.ts";
import { ATTENTION, type Case, makeCase, RESIDUAL } from "./_attention_fixture.ts";

const SIZES = [1, 2, 90, 1, 7, 3, 1, 64, 65, 5];

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
    const parameter = (name: string): tf.Tensor => variables.get(name) as tf.Tensor;
    const outputs = logits(spec, model, batch, { parameter, hook: noHook });
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

const noGpu = (await navigator.gpu?.requestAdapter() ?? null) === null;
const CLIPS = new Map([["icu", 3], ["cxr", 0.5], ["ecg", 1]]);

/** A comparison of one engine with the slow loop. */
interface Comparison {
  readonly backend: BackendName;
  readonly engine: EngineName;
  readonly model: "residual" | "attention";
  readonly sets: readonly string[];
  readonly sizes: readonly number[];
}

const EVERY = ["icu", "cxr", "ecg"];
const COMPARISONS: readonly Comparison[] = [
  { backend: "wasm", engine: "host", model: "residual", sets: EVERY, sizes: SIZES },
  { backend: "cpu", engine: "host", model: "residual", sets: EVERY, sizes: SIZES },
  { backend: "webgpu", engine: "host", model: "residual", sets: EVERY, sizes: [1, 90, 2] },
  { backend: "wasm", engine: "device", model: "residual", sets: EVERY, sizes: SIZES },
  { backend: "wasm", engine: "host", model: "attention", sets: EVERY, sizes: SIZES },
  { backend: "wasm", engine: "device", model: "attention", sets: EVERY, sizes: SIZES },
  { backend: "cpu", engine: "device", model: "attention", sets: EVERY, sizes: [1, 3, 90, 2] },
  { backend: "webgpu", engine: "device", model: "attention", sets: EVERY, sizes: [1, 3, 90, 2] },
];

for (const comparison of COMPARISONS) {
  const { backend, engine, model, sizes } = comparison;
  const most = Math.max(...sizes);
  Deno.test({
    name:
      `the ${engine} engine agrees with a loop over units of 1 to ${most} records: ${model} encoders on ${backend}`,
    ignore: backend === "webgpu" && noGpu && !required("webgpu"),
    fn: () => compare(comparison),
  });
}

async function compare({ backend, engine, model, sets, sizes }: Comparison): Promise<void> {
  const made = await makeCase(model === "residual" ? RESIDUAL : ATTENTION, sizes);
  for (const name of sets) {
    const clip = CLIPS.get(name) ?? 1;
    const set = made.features.sets.get(name) as SetFeatures;
    const chosen = units(set);
    // The loop stays on wasm: every shape of it would cost a GPU new programs.
    await selectBackend("wasm");
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
    const { spec, weights, features } = made;
    await selectBackend(backend);
    const result = await clippedGradientSum(spec, weights, features, sampled, bounds, { engine });
    // The device engine rounds norms up.
    assertClose(result.sum, expected, engine === "host" ? 2e-5 : 3e-4);
    assert.equal(result.clipped, clipped);
    assert.ok(clipped > 0, "the clip is active");
  }
}

Deno.test("the device engine's sum does not depend on the rows of a batch, nor on which units share one", async () => {
  const { spec, weights, features } = await makeCase(ATTENTION, [1, 2, 20, 1, 7, 3, 1, 5]);
  const clip = new Map([["icu", 1], ["cxr", 1], ["ecg", 1]]);
  const all = new Map([...features.sets].map(([name, set]) => [name, units(set)] as const));
  const step = (sampled: ReadonlyMap<string, readonly string[]>, rows: number): Promise<ClippedGradientSum> =>
    clippedGradientSum(spec, weights, features, sampled, clip, { engine: "device", rows });
  const together = await step(all, 64);
  for (const rows of [1, 4, 16, 128]) assertClose((await step(all, rows)).sum, together.sum, 3e-4);
  const backwards = new Map([...all].map(([name, chosen]) => [name, [...chosen].reverse()] as const));
  assertClose((await step(backwards, 64)).sum, together.sum, 3e-4);
  await assert.rejects(step(all, 48), { code: "ConfigError" });
});

Deno.test("units whose records' gradients cancel are still clipped to C by the device engine", async () => {
  // Equal inputs with opposite labels: each record's gradient is long, their sum is a rounding error.
  const made = await makeCase(ATTENTION, [2, 2, 2, 1]);
  const set = made.features.sets.get("ecg") as SetFeatures;
  const tokens = set.tokens.get("ecg") as StemTokens;
  const width = tokens.data.length / set.size;
  const data = tokens.data.slice();
  const labels = new Float32Array(set.size);
  for (const [first, second] of set.rowsOf.values()) {
    if (second === undefined) continue;
    data.copyWithin(second * width, first * width, (first + 1) * width);
    tokens.mask?.copyWithin(second * 3, first * 3, first * 3 + 3);
    labels[second] = 1;
  }
  // Zero heads answer one half, so that the two gradients are exactly opposite.
  const zeroed = new Map(made.weights);
  for (const part of ["weight", "bias"]) {
    const { shape, data } = zeroed.get(`head.pvc.${part}`) as HostTensor;
    zeroed.set(`head.pvc.${part}`, { shape, data: new Float32Array(data.length) });
  }
  const paired = new Map<string, readonly number[]>();
  let at = 0;
  for (const [first, second] of [[0, 1], [2, 3], [4, 5]]) paired.set(`pair${at++}`, [first, second]);
  for (let pair = 0; pair < 6; pair += 2) {
    data.copyWithin((pair + 1) * width, pair * width, (pair + 1) * width);
    tokens.mask?.copyWithin((pair + 1) * 3, pair * 3, pair * 3 + 3);
    labels[pair] = 0;
    labels[pair + 1] = 1;
  }
  const cancelling: SetFeatures = {
    ...set,
    rowsOf: paired,
    tokens: new Map([["ecg", { ...tokens, data }]]),
    labels: new Map([["pvc", {
      data: labels,
      known: new Uint8Array(set.size).fill(1),
      outside: new Uint8Array(set.size),
    }]]),
  };
  for (const unit of paired.keys()) {
    const sampled = new Map([["ecg", [unit]]]);
    const { sum, clipped } = await clippedGradientSum(
      made.spec,
      zeroed,
      { sets: new Map([["ecg", cancelling]]) },
      sampled,
      new Map([["ecg", 1e-9]]),
      { engine: "device" },
    );
    assert.ok(norm(sum) <= 1 + 1e-3, `length ${norm(sum)}`);
    assert.equal(clipped, 1, "the bound on rounding counts as length");
  }
});

Deno.test("a unit alone is never longer than the float slack allows, nor much shorter than C when clipped", async () => {
  const { spec, weights, features } = await makeCase(ATTENTION, [1, 4, 17, 70]);
  for (const [name, set] of features.sets) {
    for (const unit of units(set)) {
      const step = (bound: number): Promise<ClippedGradientSum> =>
        clippedGradientSum(spec, weights, features, new Map([[name, [unit]]]), new Map([[name, bound]]), {
          engine: "device",
        });
      const length = norm((await step(1e6)).sum) * 1e6;
      if (length === 0) continue;
      for (const bound of [1e-6, length / 2, length * 0.9999]) {
        const found = norm((await step(bound)).sum);
        assert.ok(found <= 1 + 1e-3 && found > 0.99, `${name}: ${found}`);
      }
    }
  }
});

Deno.test("a set without a modality or without labels takes part with what it has", async () => {
  const { spec, weights, features } = await makeCase(ATTENTION, [1, 4, 2]);
  const set = features.sets.get("icu") as SetFeatures;
  const clip = new Map([["icu", 1]]);
  const sampled = new Map([["icu", units(set)]]);
  const step = async (changed: Partial<SetFeatures>, engine: EngineName): Promise<Set<string>> => {
    const site = { sets: new Map([["icu", { ...set, ...changed }]]) };
    const { sum } = await clippedGradientSum(spec, weights, site, sampled, clip, { engine });
    const moved = federatedParameters(spec).parameters.filter(({ offset, size }) =>
      sum.subarray(offset, offset + size).some((value) => value !== 0)
    );
    return new Set(moved.map(({ name }) => name.split(".").slice(0, 2).join(".")));
  };
  for (const engine of ["host", "device"] as const) {
    const noVitals = new Map([...set.tokens].filter(([modality]) => modality !== "vitals"));
    const without = await step({ tokens: noVitals }, engine);
    assert.ok(without.has("encoder.labs") && without.has("head.shock") && !without.has("encoder.vitals"));
    assert.ok(!without.has("head.signs"), "a task that reads the missing modality only");
    const oneTask = new Map([...set.labels].filter(([task]) => task === "dose"));
    assert.deepEqual([...await step({ labels: oneTask }, engine)].sort(), ["encoder.labs", "head.dose"]);
    assert.deepEqual([...await step({ labels: new Map() }, engine)], []);
  }
});

Deno.test("dealUnits() never cuts a unit, keeps the number of rows, and uses few shapes", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 90 }), { maxLength: 60 }), (sizes) => {
    let row = 0;
    const rowsOf = new Map(sizes.map((size, u) => [`u${u}`, Array.from({ length: size }, () => row++)]));
    const set = { rowsOf } as unknown as SetFeatures;
    const { whole, large } = dealUnits(set, drawKeys([...rowsOf.keys()], cryptoRandomBytes), 64, true);
    const placed = whole.flatMap(({ units, rows, slots, width }) => {
      assert.equal(slots * width, 64);
      assert.equal(rows.length, 64);
      assert.ok(units.length <= slots);
      return units.map((unit, slot) => {
        const own = rows.slice(slot * width, (slot + 1) * width).filter((at) => at !== EMPTY_ROW);
        assert.deepEqual(own, rowsOf.get(unit));
        return unit;
      });
    });
    assert.deepEqual([...placed, ...large].sort(), [...rowsOf.keys()].sort());
    for (const unit of large) assert.ok((rowsOf.get(unit)?.length ?? 0) > 64);
    const used = whole.flatMap(({ rows }) => rows).filter((at) => at !== EMPTY_ROW).length;
    const small = sizes.filter((size) => size <= 64).reduce((sum, size) => sum + size, 0);
    assert.equal(used, small);
  }));
});

Deno.test("clippedGradientSum() is the sum of what each unit gives alone, wherever batches are cut", async () => {
  const { spec, weights, features } = await makeCase(RESIDUAL, SIZES);
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
  const { spec, weights, features } = await makeCase(RESIDUAL, SIZES);
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

Deno.test("both engines count units with a gradient that is not finite and leave the others alone", async () => {
  const { spec, weights, features } = await makeCase(RESIDUAL, SIZES);
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
    for (const engine of ["host", "device"] as const) {
      const sampled = new Map([["cxr", chosen]]);
      const result = await clippedGradientSum(spec, weights, damaged, sampled, clip, { engine });
      assert.equal(result.nonFinite, 1);
      assertClose(result.sum, expected.sum, engine === "host" ? 1e-6 : 2e-5);
    }
  }
});

Deno.test("clippedGradientSum() refuses unknown units and clips that are not positive", async () => {
  const { spec, weights, features } = await makeCase(RESIDUAL, SIZES);
  const step = (unit: string, clip: number): Promise<unknown> =>
    clippedGradientSum(spec, weights, features, new Map([["cxr", [unit]]]), new Map([["cxr", clip]]));
  await assert.rejects(step("nobody", 1), { code: "ConfigError" });
  for (const clip of [0, -1, NaN, Infinity]) await assert.rejects(step("c0", clip), { code: "ConfigError" });
});
