import assert from "node:assert/strict";
import { sequenceFeatures, sequenceShape } from "../../src/local/_sequence_front_end.ts";
import {
  checkWeights,
  clippedGradientSum,
  createSpec,
  describeSpec,
  encodeRecords,
  engineFor,
  evaluateLocal,
  federatedParameters,
  flatten,
  type LocalModelOptions,
  type ModalityValue,
  prepareFeatures,
  pretrainOnPublic,
  type SetFeatures,
  type SiteData,
  specTable,
  type StemTokens,
  units,
} from "../../src/local/mod.ts";
import { selectBackend } from "../../src/tensor/mod.ts";
import { ATTENTION, makeCase } from "./_attention_fixture.ts";
import { LETTERS, madeUpSite, TASKS } from "./_fixtures.ts";

/** The set with one record's patches of a modality changed. */
function changed(set: SetFeatures, modality: string, change: (stem: StemTokens) => StemTokens): SetFeatures {
  const stem = set.tokens.get(modality) as StemTokens;
  return { ...set, tokens: new Map([...set.tokens, [modality, change(stem)]]) };
}

Deno.test("attention stays within a record: another record's patches change nothing", async () => {
  const { spec, weights, features } = await makeCase(ATTENTION, [3, 2, 4]);
  const set = features.sets.get("icu") as SetFeatures;
  const stem = set.tokens.get("vitals") as StemTokens;
  const width = stem.data.length / set.size;
  const other = changed(set, "vitals", ({ data, ...rest }) => {
    return { ...rest, data: data.map((value, at) => at < width ? 5 - value : value) };
  });
  const before = await encodeRecords(spec, weights, set, "vitals");
  const after = await encodeRecords(spec, weights, other, "vitals");
  const tokens = before.tokens * before.dEnc;
  assert.deepEqual(after.data.slice(tokens), before.data.slice(tokens));
  assert.notDeepEqual(after.data.slice(0, tokens), before.data.slice(0, tokens));
});

Deno.test("every patch of time reaches every token of its record, but an empty patch reaches none", async () => {
  const { spec, weights, features } = await makeCase(ATTENTION, [2]);
  const set = features.sets.get("ecg") as SetFeatures;
  const encode = async (mask: readonly number[], changedPatch: number): Promise<Float32Array> => {
    const odd = changed(set, "ecg", ({ data, present }) => {
      const width = data.length / set.size / 3;
      const values = data.map((value, at) => Math.floor(at / width) === changedPatch ? value + 1 : value);
      return { data: values, present, mask: Uint8Array.from([...mask, 1, 1, 1]) };
    });
    const { data, dEnc } = await encodeRecords(spec, weights, odd, "ecg");
    // Adding 0 turns -0 into 0.
    return data.slice(0, 3 * dEnc).map((value) => value + 0);
  };
  const plain = await encode([1, 1, 1], -1);
  const moved = await encode([1, 1, 1], 2);
  for (let token = 0; token < 3; token++) {
    const part = (values: Float32Array): Float32Array => values.slice(token * 8, (token + 1) * 8);
    assert.notDeepEqual(part(moved), part(plain));
  }
  assert.deepEqual(await encode([1, 1, 0], 2), await encode([1, 1, 0], -1));
  assert.ok((await encode([1, 1, 0], -1)).subarray(16).every((value) => value === 0));
});

const series = (rows: number[][]): ModalityValue => ({
  kind: "timeseries",
  steps: rows.length,
  channels: rows[0].length,
  data: Float32Array.from(rows.flat()),
});

Deno.test("time series patches are window means with missing shares; a window without values is masked", () => {
  const shape = { tokens: 2, features: 4 };
  const value = series([[1, NaN], [3, NaN], [NaN, NaN], [NaN, NaN]]);
  const found = sequenceFeatures(value, "timeseries", shape, undefined);
  assert.deepEqual([...found?.mask ?? []], [1, 0]);
  assert.deepEqual([...found?.data.subarray(0, 4) ?? []], [2, 0, NaN, 1]);
  assert.equal(sequenceFeatures(series([[NaN, NaN]]), "timeseries", shape, undefined), null);
});

Deno.test("signals of 1 to 12 leads, any rate and any length give patches of one shape", () => {
  const manifest = {
    kind: "signal",
    field: "x",
    array: "x.npy",
    sampleRateHz: 100,
    unit: "uV",
    leads: 1,
  } as const;
  const shape = sequenceShape(manifest, 0, 8);
  const wave = (leads: number, rate: number, seconds: number): ModalityValue => {
    const samples = Math.round(rate * seconds);
    const data = Int16Array.from({ length: samples * leads }, (_, at) => {
      return 900 * Math.sin(2 * Math.PI * 1.2 * Math.floor(at / leads) / rate);
    });
    return { kind: "signal", samples, leads, sampleRateHz: rate, data };
  };
  const reference = sequenceFeatures(wave(1, 100, 10), "signal", shape, undefined);
  for (const leads of [2, 12]) {
    const found = sequenceFeatures(wave(leads, 100, 10), "signal", shape, undefined);
    found?.data.forEach((value, at) => assert.ok(Math.abs(value - (reference?.data[at] ?? NaN)) < 1e-4));
  }
  for (const [rate, seconds] of [[360, 10], [1000, 30], [50, 3]]) {
    const found = sequenceFeatures(wave(3, rate, seconds), "signal", shape, undefined);
    assert.equal(found?.data.length, reference?.data.length);
    found?.mask.forEach((there, t) => {
      const patch = found.data.subarray(t * shape.features, (t + 1) * shape.features);
      assert.equal(patch.every(Number.isFinite), there === 1);
    });
  }
});

Deno.test("values without extent are refused, not turned into numbers", () => {
  const shape = { tokens: 4, features: 40 };
  const bad: ModalityValue[] = [
    { kind: "signal", samples: 0, leads: 1, sampleRateHz: 100, data: new Int16Array() },
    { kind: "signal", samples: 10, leads: 0, sampleRateHz: 100, data: new Int16Array() },
    { kind: "signal", samples: 10, leads: 1, sampleRateHz: 0, data: new Int16Array(10) },
    { kind: "signal", samples: 10, leads: 2, sampleRateHz: 100, data: new Int16Array(10) },
    { kind: "image", height: 0, width: 3, data: new Uint8Array() },
    { kind: "timeseries", steps: 2, channels: 2, data: new Float32Array(3) },
  ];
  for (const value of bad) {
    assert.throws(() => sequenceFeatures(value, value.kind, shape, undefined), { code: "DatasetError" });
  }
});

Deno.test("which parameters are federated is chosen by name, and public pre-training moves the others too", async () => {
  await selectBackend("wasm");
  const publicData = madeUpSite(1, [2, 3, 1, 4]);
  const federate = ["head.*", "*.bias", "*.shift"];
  const spec = createSpec(publicData, TASKS, { ...ATTENTION, federate });
  const { parameters, dimension } = federatedParameters(spec);
  assert.ok(parameters.every(({ name }) => /^head\.|\.bias$|\.shift$/.test(name)));
  const full = federatedParameters(createSpec(publicData, TASKS, ATTENTION));
  assert.ok(dimension < full.dimension / 4);
  const { layers, federated, parameters: all } = describeSpec(spec);
  assert.equal(federated, dimension);
  assert.equal(all, full.dimension);
  assert.equal(layers.find(({ layer }) => layer === "encoder.vitals.block2.qkv")?.federated, 24);
  assert.match(specTable(spec), /encoder\.vitals\.block1\.norm1 +scale +4 +8 x 8 +16 +8\n/);
  const weights = await pretrainOnPublic(spec, publicData, LETTERS, { seed: 7, steps: 3 });
  const start = await pretrainOnPublic(spec, publicData, LETTERS, { seed: 7, steps: 0 });
  checkWeights(spec, weights);
  assert.notDeepEqual(weights.get("encoder.vitals.patch.weight"), start.get("encoder.vitals.patch.weight"));
  // Bias-only gradients agree between the engines too.
  const features = prepareFeatures(spec, weights, madeUpSite(2, [1, 5, 2]), LETTERS);
  const sampled = new Map([["icu", units(features.sets.get("icu") as SetFeatures)]]);
  const [host, device] = await Promise.all(
    (["host", "device"] as const).map((engine) =>
      clippedGradientSum(spec, weights, features, sampled, new Map([["icu", 1]]), { engine })
    ),
  );
  host.sum.forEach((value, at) => assert.ok(Math.abs(value - device.sum[at]) < 1e-3));
});

Deno.test("options that make no model are refused", () => {
  const publicData = madeUpSite(1, [2, 3]);
  const wrong: Partial<LocalModelOptions>[] = [
    { federate: ["encoder.nothing.*"] },
    { federate: [] },
    { dEnc: 8, attention: { image: { heads: 3 } } },
    { attention: { image: { blocks: 0 } } },
  ];
  for (const options of wrong) {
    assert.throws(() => createSpec(publicData, TASKS, { tokenDimension: 6, ...options }), {
      code: "ConfigError",
    });
  }
});

Deno.test("the default attention encoder is affordable under noise, and large ones train without it", async () => {
  await selectBackend("wasm");
  const publicData = madeUpSite(1, [2, 3, 1, 2]);
  const small = createSpec(publicData, ["shock"], { attention: { timeseries: {} } });
  const { federated } = describeSpec(small);
  assert.ok(federated >= 2_000 && federated <= 20_000, String(federated));
  const large = createSpec(publicData, ["shock"], {
    dEnc: 320,
    attention: { timeseries: { blocks: 2, heads: 4, hidden: 640, tokens: 4 } },
  });
  const { dimension } = federatedParameters(large);
  assert.ok(dimension > 1_000_000 && dimension < 2_000_000, String(dimension));
  const weights = await pretrainOnPublic(large, publicData, undefined, { seed: 1, steps: 0 });
  const features = prepareFeatures(large, weights, publicData);
  const set = features.sets.get("icu") as SetFeatures;
  assert.equal(engineFor(large, set), "device");
  const { sum, nonFinite } = await clippedGradientSum(
    large,
    weights,
    features,
    new Map([["icu", units(set)]]),
    new Map([["icu", 1]]),
    { rows: 8 },
  );
  assert.equal(nonFinite, 0);
  assert.ok(sum.some((value) => value !== 0) && sum.every(Number.isFinite));
});

/** The made-up site with every value of some modality replaced. */
function withValues(site: SiteData, modality: string, value: ModalityValue | null): SiteData {
  const sets = site.sets.map((set) => ({
    ...set,
    records: set.records.map((record) => {
      return record.values.has(modality)
        ? { ...record, values: new Map([...record.values, [modality, value]]) }
        : record;
    }),
  }));
  return { ...site, sets };
}

Deno.test("all values missing, one class only and no records are neutral, also in the public data", async () => {
  await selectBackend("wasm");
  const empty = series(Array.from({ length: 8 }, () => [NaN, NaN]));
  for (const options of [ATTENTION, { dEnc: 8, hidden: 5, tokenDimension: 6 }]) {
    for (const value of [null, empty]) {
      const publicData = withValues(madeUpSite(1, [2, 3, 1, 4]), "vitals", value);
      const spec = createSpec(publicData, TASKS, options);
      const weights = await pretrainOnPublic(spec, publicData, LETTERS, { seed: 7, steps: 2 });
      assert.ok(flatten(spec, weights).every(Number.isFinite));
      const site = withValues(madeUpSite(2, [2, 4]), "vitals", value);
      const ones = {
        ...site,
        sets: site.sets.map((set) => ({
          ...set,
          records: set.records.map((record) => ({
            ...record,
            labels: new Map([...record.labels, ["shock", 1], ["pvc", 1]]),
          })),
        })),
      };
      const features = prepareFeatures(spec, weights, ones, LETTERS);
      const sampled = new Map([...features.sets].map(([name, set]) => [name, units(set)] as const));
      const clip = new Map([["icu", 1], ["cxr", 1], ["ecg", 1]]);
      const { sum, nonFinite } = await clippedGradientSum(spec, weights, features, sampled, clip);
      assert.equal(nonFinite, 0);
      assert.ok(sum.every(Number.isFinite));
      const figures = await evaluateLocal(spec, weights, features);
      assert.equal(figures.shock.auroc, undefined);
      assert.ok(figures.shock.n > 0 && figures.shock.brier !== undefined);
      const nobody = prepareFeatures(spec, weights, madeUpSite(3, []), LETTERS);
      assert.deepEqual((await evaluateLocal(spec, weights, nobody)).shock, { n: 0, positives: 0 });
    }
  }
});
