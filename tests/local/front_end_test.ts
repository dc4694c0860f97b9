import assert from "node:assert/strict";
import { viewFeatures, viewsOf } from "../../src/local/front_end.ts";
import type { ModalityValue } from "../../src/local/mod.ts";
import { SeededRandom } from "../../src/tensor/seeded_random.ts";
import { LETTERS } from "./_fixtures.ts";

const features = (value: ModalityValue): Float32Array[] => viewFeatures(value, value.kind, LETTERS) ?? [];

/** A heart-like wave: narrow peaks every 0.8 s on a slow drift. */
function wave(rate: number, seconds: number, gain: number, leads = 1): ModalityValue {
  const samples = Math.round(rate * seconds);
  const data = Int16Array.from({ length: samples * leads }, (_, at) => {
    const time = Math.floor(at / leads) / rate;
    const phase = (time % 0.8) - 0.4;
    return gain * (1000 * Math.exp(-((phase / 0.04) ** 2)) + 100 * Math.sin(time));
  });
  return { kind: "signal", samples, leads, sampleRateHz: rate, data };
}

const worst = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, at) => Math.max(most, Math.abs(value - b[at])), 0);
const mean = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, at) => sum + Math.abs(value - b[at]) / a.length, 0);

Deno.test("signal features hardly depend on gain, lead count or sampling rate", () => {
  const reference = features(wave(100, 10, 4));
  for (const other of [wave(100, 10, 12), wave(100, 10, 4, 12)]) {
    features(other).forEach((view, index) => assert.ok(worst(view, reference[index]) < 0.02));
  }
  for (const rate of [128, 250, 360, 500]) {
    features(wave(rate, 10, 4)).forEach((view, index) =>
      assert.ok(mean(view, reference[index]) < 0.12, `${rate} Hz`)
    );
  }
});

Deno.test("signal features are finite for flat, short, long and tiny signals", () => {
  const flat: ModalityValue = {
    kind: "signal",
    samples: 50,
    leads: 2,
    sampleRateHz: 500,
    data: new Int16Array(100),
  };
  for (const value of [flat, wave(100, 3, 1), wave(100, 35, 1), wave(100, 0.02, 1)]) {
    for (const view of features(value)) assert.ok(view.every(Number.isFinite));
  }
});

Deno.test("image features do not depend on size, brightness or contrast", () => {
  const random = new SeededRandom(4);
  const small = Uint8Array.from({ length: 64 * 64 }, () => 40 + random.integer(100));
  const image = (side: number, at: (y: number, x: number) => number): ModalityValue => ({
    kind: "image",
    height: side,
    width: side,
    data: Uint8Array.from({ length: side * side }, (_, i) => at(Math.floor(i / side), i % side)),
  });
  const reference = features(image(64, (y, x) => small[y * 64 + x]));
  const others = [
    image(192, (y, x) => small[Math.floor(y / 3) * 64 + Math.floor(x / 3)]),
    image(64, (y, x) => small[y * 64 + x] + 60),
  ];
  for (const other of others) {
    features(other).forEach((view, index) => assert.ok(worst(view, reference[index]) < 1e-4));
  }
  for (const view of features(image(30, () => 7))) assert.ok(view.every((value) => Math.abs(value) < 1e-6));
});

Deno.test("time series features mark what is missing and never invent a value", () => {
  const series = (data: number[]): ModalityValue => {
    return { kind: "timeseries", steps: 4, channels: 2, data: Float32Array.from(data) };
  };
  const [whole, patches] = features(series([1, NaN, 3, NaN, NaN, NaN, 8, NaN]));
  assert.deepEqual([...whole.slice(0, 4)], [4, 1, 8, 8]);
  assert.deepEqual([...whole.slice(5, 7)], [6, 0.25]);
  assert.deepEqual([...whole.slice(7)], [NaN, NaN, NaN, NaN, NaN, NaN, 1]);
  assert.deepEqual([...patches.slice(0, 8)], [1, 0, 3, 0, NaN, 1, 8, 0]);
});

Deno.test("vector features are signed logarithms beside missing marks", () => {
  const [view] = features({ kind: "vector", data: Float32Array.of(Math.E - 1, -(Math.E - 1), NaN) });
  assert.ok(Math.abs(view[0] - 1) < 1e-6 && Math.abs(view[2] + 1) < 1e-6);
  assert.deepEqual([view[1], view[3], view[4], view[5]], [0, 0, NaN, 1]);
});

Deno.test("text features are the mean embedding, and nothing for a text without tokens", () => {
  const [ab] = features({ kind: "text", text: "ab" });
  const [a] = features({ kind: "text", text: "a" });
  const [b] = features({ kind: "text", text: "b" });
  ab.forEach((value, k) => assert.ok(Math.abs(value - (a[k] + b[k]) / 2) < 1e-6));
  assert.equal(viewFeatures({ kind: "text", text: "" }, "text", LETTERS), null);
  assert.throws(() => viewFeatures({ kind: "text", text: "a" }, "text", undefined), { code: "ModelError" });
});

Deno.test("viewsOf() gives the sizes that viewFeatures() returns", () => {
  const pairs = [
    [{ kind: "image", field: "x", array: "x.npy", channels: 1 }, {
      kind: "image",
      height: 3,
      width: 4,
      data: new Uint8Array(12),
    }],
    [
      { kind: "signal", field: "x", array: "x.npy", sampleRateHz: 100, unit: "uV", leads: 1 },
      wave(100, 10, 1),
    ],
    [{ kind: "timeseries", field: "x", steps: 4, stepSeconds: 1, channels: ["a"] }, {
      kind: "timeseries",
      steps: 4,
      channels: 1,
      data: new Float32Array(4),
    }],
    [{ kind: "vector", field: "x", channels: ["a", "b"] }, { kind: "vector", data: new Float32Array(2) }],
    [{ kind: "text", field: "x" }, { kind: "text", text: "abc" }],
  ] as const;
  for (const [modality, value] of pairs) {
    const sizes = viewsOf(modality, LETTERS.dimension).map(({ features }) => features);
    assert.deepEqual(features(value).map(({ length }) => length), sizes);
  }
});
