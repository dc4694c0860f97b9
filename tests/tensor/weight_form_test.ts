import assert from "node:assert/strict";
import fc from "fast-check";
import { FedKimError } from "../../src/formats/errors.ts";
import { decodeRows, encodeRows } from "../../src/tensor/weight_form.ts";
import { packedBytes, WEIGHT_FORMS, type WeightForm } from "../../src/tensor/mod.ts";

/** Largest error of a form, relative to the largest magnitude of the block (of the value, for floating point). */
const STEP: Readonly<Record<WeightForm, number>> = {
  float32: 0,
  float16: 2 ** -11,
  bfloat16: 2 ** -8,
  int8: 0.5 / 127 + 2 ** -10,
  int4: 1 / 8 + 2 ** -10,
};

const matrix = fc.record({
  columns: fc.integer({ min: 1, max: 70 }),
  rows: fc.integer({ min: 1, max: 4 }),
  seed: fc.array(fc.integer({ min: -3000, max: 3000 }).map((n) => n / 1000), { minLength: 7, maxLength: 60 }),
}).map(({ columns, rows, seed }) => ({
  columns,
  values: Float32Array.from({ length: rows * columns }, (_, i) => seed[i % seed.length] * ((i % 5) - 2)),
}));

Deno.test("encodeRows() keeps every value within half a step of its form", () => {
  for (const form of WEIGHT_FORMS) {
    fc.assert(fc.property(matrix, ({ columns, values }) => {
      const decoded = decodeRows(encodeRows(values, columns, form), columns, form);
      assert.equal(decoded.length, values.length);
      values.forEach((value, i) => {
        const row = i - i % columns;
        const block = row + Math.floor((i % columns) / 32) * 32;
        const end = Math.min(block + 32, row + columns);
        const scale = form.startsWith("int")
          ? values.subarray(block, end).reduce((most, v) => Math.max(most, Math.abs(v)), 0)
          : Math.abs(value);
        // Below 2^-14 float16 steps are absolute, for values and for scales.
        assert.ok(Math.abs(decoded[i] - value) <= STEP[form] * scale + 1e-5, `${form} at ${i}`);
      });
    }));
  }
});

Deno.test("encodeRows() is exact on values that the form can hold: storing twice is storing once", () => {
  for (const form of WEIGHT_FORMS) {
    fc.assert(fc.property(matrix, ({ columns, values }) => {
      const once = decodeRows(encodeRows(values, columns, form), columns, form);
      const twice = decodeRows(encodeRows(once, columns, form), columns, form);
      // A zero may lose its sign.
      assert.deepEqual(twice.map((v) => v + 0), once.map((v) => v + 0));
    }));
  }
});

Deno.test("packedBytes() counts what encodeRows() stores", () => {
  for (const form of WEIGHT_FORMS) {
    for (const [rows, columns] of [[1, 1], [3, 31], [5, 33], [2, 64]]) {
      const { words, scales } = encodeRows(new Float32Array(rows * columns), columns, form);
      assert.equal(words.byteLength + (scales?.byteLength ?? 0), packedBytes(form, rows, columns), form);
    }
  }
  assert.equal(packedBytes("int8", 10, 320) / 3200, 34 / 32);
  assert.equal(packedBytes("int4", 10, 320) / 3200, 18 / 32);
});

Deno.test("encodeRows() refuses what a form cannot hold, and never stores infinity", () => {
  const refused = (value: number, form: WeightForm): void =>
    assert.throws(
      () => encodeRows(Float32Array.of(1, value), 2, form),
      (error: unknown) => error instanceof FedKimError && error.code === "ModelError",
      `${value} as ${form}`,
    );
  for (const form of WEIGHT_FORMS) for (const value of [NaN, Infinity, -Infinity]) refused(value, form);
  refused(1e5, "float16");
  refused(-1e8, "int8");
  refused(3.4028234e38, "bfloat16");
});
