import assert from "node:assert/strict";
import fc from "fast-check";
import { principalComponents } from "../../src/local/_pca.ts";
import {
  checkWeights,
  createSpec,
  encodeRecords,
  federatedParameters,
  flatten,
  type LocalModelSpec,
  type LocalWeights,
  prepareFeatures,
  pretrainOnPublic,
  type SetFeatures,
  taskScores,
  unflatten,
} from "../../src/local/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { LETTERS, madeUpSite, TASKS } from "./_fixtures.ts";

const PUBLIC = madeUpSite(1, [2, 3, 1, 4, 2, 2]);
const OPTIONS = { dEnc: 8, hidden: 5, tokenDimension: 6 };

async function model(steps: number, seed = 7): Promise<{ spec: LocalModelSpec; weights: LocalWeights }> {
  await selectBackend("wasm");
  const spec = createSpec(PUBLIC, TASKS, OPTIONS);
  return { spec, weights: await pretrainOnPublic(spec, PUBLIC, LETTERS, { seed, steps }) };
}

const values = (weights: LocalWeights, name: string): number[] => [...weights.get(name)?.data ?? []];

/** The model's equations once more, in float64, by loops. */
function referenceTokens(
  spec: LocalModelSpec,
  weights: LocalWeights,
  modality: string,
  x: number[],
): number[] {
  const down = values(weights, `encoder.${modality}.down.weight`);
  const up = values(weights, `encoder.${modality}.up.weight`);
  const hidden = values(weights, `encoder.${modality}.down.bias`).map((bias, h, all) => {
    const z = x.reduce((sum, value, i) => sum + value * down[i * all.length + h], bias);
    return z / (1 + Math.exp(-1.702 * z));
  });
  const sum = x.map((value, i) => hidden.reduce((total, h, k) => total + h * up[k * x.length + i], value));
  const { dEnc } = spec;
  return sum.map((value, i) => {
    const token = sum.slice(Math.floor(i / dEnc) * dEnc, (Math.floor(i / dEnc) + 1) * dEnc);
    const mean = token.reduce((a, b) => a + b) / dEnc;
    const variance = token.reduce((a, b) => a + (b - mean) ** 2, 0) / dEnc;
    return (value - mean) / Math.sqrt(variance + 1e-5);
  });
}

function referenceLogits(
  spec: LocalModelSpec,
  weights: LocalWeights,
  set: SetFeatures,
  task: string,
  row: number,
): number[] {
  const head = spec.heads.find((item) => item.task === task);
  const pooled = new Array<number>(spec.dEnc).fill(0);
  let count = 0;
  for (const { modality, tokens } of spec.encoders) {
    const stem = set.tokens.get(modality);
    if (!head?.modalities.includes(modality) || stem?.present[row] !== 1) continue;
    const width = tokens * spec.dEnc;
    const encoded = referenceTokens(spec, weights, modality, [
      ...stem.data.subarray(row * width, (row + 1) * width),
    ]);
    encoded.forEach((value, i) => pooled[i % spec.dEnc] += value);
    count += tokens;
  }
  const weight = values(weights, `head.${task}.weight`);
  return values(weights, `head.${task}.bias`).map((bias, k, all) => {
    return pooled.reduce(
      (sum, value, i) => sum + (value / Math.max(1, count)) * weight[i * all.length + k],
      bias,
    );
  });
}

Deno.test("taskScores() and encodeRecords() follow the model's equations in float64", async () => {
  const { spec, weights: start } = await model(0);
  const random = new SeededRandom(5);
  const weights = unflatten(spec, start, flatten(spec, start).map(() => 0.5 * random.normal()));
  const features = prepareFeatures(spec, weights, madeUpSite(9, [3, 30, 1, 40, 5]), LETTERS);
  for (const { task, set: name } of spec.heads) {
    const set = features.sets.get(name) as SetFeatures;
    const { scores, records, outputs } = await taskScores(spec, weights, set, task);
    records.forEach((row, index) => {
      referenceLogits(spec, weights, set, task, row).forEach((logit, k) => {
        assert.ok(Math.abs(scores[index * outputs + k] - logit) < 1e-4 * (1 + Math.abs(logit)));
      });
    });
  }
  const icu = features.sets.get("icu") as SetFeatures;
  const { data, present, tokens, dEnc } = await encodeRecords(spec, weights, icu, "vitals");
  const width = tokens * dEnc;
  assert.ok(present.includes(0) && present.includes(1));
  present.forEach((there, row) => {
    const found = [...data.subarray(row * width, (row + 1) * width)];
    const x = [...icu.tokens.get("vitals")?.data.subarray(row * width, (row + 1) * width) ?? []];
    const expected = there === 1 ? referenceTokens(spec, weights, "vitals", x) : found.map(() => 0);
    expected.forEach((value, i) => assert.ok(Math.abs(value - found[i]) < 1e-4));
  });
});

Deno.test("a record's tokens do not depend on the other records", async () => {
  const { spec, weights } = await model(3);
  const all = prepareFeatures(spec, weights, madeUpSite(9, [3, 70, 1]), LETTERS).sets.get(
    "cxr",
  ) as SetFeatures;
  const stem = all.tokens.get("image");
  assert.ok(stem !== undefined);
  const width = stem.data.length / all.size;
  const part = { data: stem.data.slice(60 * width, 63 * width), present: stem.present.slice(60, 63) };
  const few: SetFeatures = { ...all, size: 3, tokens: new Map([["image", part]]) };
  const many = await encodeRecords(spec, weights, all, "image");
  const alone = await encodeRecords(spec, weights, few, "image");
  alone.data.forEach((value, at) => assert.ok(Math.abs(value - many.data[60 * width + at]) < 1e-6));
});

Deno.test("pretrainOnPublic() gives the same weights for the same seed, and others for another", async () => {
  const [first, second, third] = [await model(2), await model(2), await model(2, 8)];
  assert.deepEqual(flatten(first.spec, first.weights), flatten(second.spec, second.weights));
  assert.deepEqual([...first.weights.keys()].sort(), first.spec.parameters.map(({ name }) => name).sort());
  assert.notDeepEqual(flatten(first.spec, first.weights), flatten(third.spec, third.weights));
  checkWeights(first.spec, first.weights);
});

Deno.test("regression targets are in units of the public labels' spread around their mean", async () => {
  const { spec, weights } = await model(0);
  const labels = prepareFeatures(spec, weights, PUBLIC, LETTERS).sets.get("icu")?.labels.get("dose");
  const known = [...labels?.data ?? []].filter((_, row) => labels?.known[row] === 1);
  const mean = known.reduce((sum, value) => sum + value / known.length, 0);
  const variance = known.reduce((sum, value) => sum + (value - mean) ** 2 / known.length, 0);
  assert.ok(Math.abs(mean) < 1e-6 && Math.abs(variance - 1) < 1e-5);
});

Deno.test("an encoder that no trained task reads is not federated", async () => {
  await selectBackend("wasm");
  const spec = createSpec(PUBLIC, ["shock"], OPTIONS);
  const names = federatedParameters(spec).parameters.map(({ name }) => name);
  assert.ok(names.includes("encoder.vitals.up.weight") && !names.some((name) => name.includes("image")));
  assert.deepEqual(spec.encoders.map(({ modality, federated }) => [modality, federated]), [
    ["ecg", false],
    ["image", false],
    ["labs", true],
    ["note", false],
    ["vitals", true],
  ]);
  assert.deepEqual(JSON.parse(JSON.stringify(spec)), spec);
});

Deno.test("unflatten() inverts flatten() and refuses vectors that do not fit", async () => {
  const { spec, weights } = await model(1);
  const flat = flatten(spec, weights);
  assert.deepEqual(flatten(spec, unflatten(spec, weights, flat)), flat);
  assert.throws(() => unflatten(spec, weights, flat.subarray(1)), { code: "ModelError" });
  assert.throws(() => unflatten(spec, weights, flat.map(() => NaN)), { code: "ModelError" });
  const lacking = new Map([...weights].filter(([name]) => name !== "head.shock.bias"));
  assert.throws(() => checkWeights(spec, lacking), /head\.shock\.bias/);
});

Deno.test("createSpec() refuses unknown and unseen tasks", () => {
  assert.throws(() => createSpec(PUBLIC, ["nothing"], OPTIONS), { code: "UnknownTask" });
  const sets = PUBLIC.sets.map((set) => ({
    ...set,
    manifest: {
      ...set.manifest,
      tasks: set.manifest.tasks.map((task) => ({ ...task, role: "unseen" as const })),
    },
  }));
  assert.throws(() => createSpec({ ...PUBLIC, sets }, ["shock"], OPTIONS), { code: "ConfigError" });
});

Deno.test("prepareFeatures() refuses a site whose columns are named or ordered otherwise", async () => {
  const { spec, weights } = await model(0);
  const site = madeUpSite(3, [1, 1]);
  const sets = site.sets.map((set) => {
    const { labs } = set.manifest.modalities;
    if (labs?.kind !== "vector") return set;
    const modalities = { ...set.manifest.modalities, labs: { ...labs, channels: ["k", "na", "crea"] } };
    return { ...set, manifest: { ...set.manifest, modalities } };
  });
  assert.throws(() => prepareFeatures(spec, weights, { ...site, sets }, LETTERS), /channel 0 is k/);
});

Deno.test("principalComponents() finds orthonormal directions by falling variance, exact for low rank", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), (seed) => {
      const random = new SeededRandom(seed);
      const count = 40, features = 25, rank = 4;
      const basis = Array.from(
        { length: rank },
        () => Float64Array.from({ length: features }, () => random.normal()),
      );
      const rows = new Float64Array(count * features);
      for (let r = 0; r < count; r++) {
        basis.forEach((direction, k) => {
          const weight = (rank - k) * random.normal();
          for (let f = 0; f < features; f++) rows[r * features + f] += weight * direction[f];
        });
      }
      const { directions, variances } = principalComponents(rows, features, 10, new SeededRandom(1));
      assert.equal(variances.length, rank);
      const inner = (i: number, j: number): number => {
        let sum = 0;
        for (let f = 0; f < features; f++) sum += directions[i * features + f] * directions[j * features + f];
        return sum;
      };
      let explained = 0, total = 0;
      for (const value of rows) total += value * value / (count - 1);
      variances.forEach((variance, i) => {
        explained += variance;
        assert.ok(i === 0 || variance <= variances[i - 1]);
        variances.forEach((_, j) => assert.ok(Math.abs(inner(i, j) - (i === j ? 1 : 0)) < 1e-9));
      });
      assert.ok(Math.abs(explained - total) < 1e-6 * total);
    }),
    { numRuns: 10 },
  );
});
