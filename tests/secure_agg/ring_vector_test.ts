import assert from "node:assert/strict";
import fc from "fast-check";
import { SecAggError } from "../../src/secure_agg/mod.ts";
import {
  addWire,
  checkWire,
  fromWire,
  reduceRing,
  ringMask,
  toWire,
  wireBytes,
} from "../../src/secure_agg/ring_vector.ts";

const words = (max: number): fc.Arbitrary<Uint32Array> =>
  fc.array(fc.integer({ min: 0, max }), { maxLength: 60 }).map((values) => Uint32Array.from(values));

for (const [form, bits] of [["word32", 32], ["word32", 17], ["packed20", 20], ["packed20", 13]] as const) {
  Deno.test(`${form} with ${bits} bits gives back what it packed, in the stated number of bytes`, () => {
    fc.assert(fc.property(words(ringMask(bits)), (vector) => {
      const bytes = toWire(form, vector);
      assert.equal(bytes.length, wireBytes(form, vector.length));
      checkWire(form, bits, bytes, vector.length);
      assert.deepEqual(fromWire(form, bytes, vector.length), vector);
    }));
  });

  Deno.test(`${form} with ${bits} bits adds from any byte offset as plain addition does`, () => {
    fc.assert(fc.property(words(ringMask(bits)), fc.integer({ min: 0, max: 3 }), (vector, offset) => {
      const shifted = new Uint8Array(offset + wireBytes(form, vector.length));
      shifted.set(toWire(form, vector), offset);
      const sum = vector.map((_, i) => 0xfffffff0 + i);
      addWire(form, shifted.subarray(offset), sum);
      assert.deepEqual(sum, vector.map((value, i) => 0xfffffff0 + i + value));
    }));
  });
}

function reasonOf(run: () => void): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof SecAggError) return error.reason;
    throw error;
  }
}

Deno.test("checkWire() refuses a wrong length and any coordinate outside the ring", () => {
  assert.equal(reasonOf(() => checkWire("word32", 32, new Uint8Array(15), 4)), "chunk_length");
  assert.equal(reasonOf(() => checkWire("packed20", 20, new Uint8Array(6), 2)), "chunk_length");
  for (let i = 0; i < 4; i++) {
    const vector = new Uint32Array(4);
    vector[i] = 2 ** 24;
    assert.equal(reasonOf(() => checkWire("word32", 24, toWire("word32", vector), 4)), "value_out_of_range");
    assert.equal(reasonOf(() => checkWire("word32", 25, toWire("word32", vector), 4)), undefined);
    vector[i] = 2 ** 13;
    assert.equal(
      reasonOf(() => checkWire("packed20", 13, toWire("packed20", vector), 4)),
      "value_out_of_range",
    );
  }
  const odd = toWire("packed20", Uint32Array.of(1, 2, 3));
  odd[odd.length - 1] |= 16;
  assert.equal(reasonOf(() => checkWire("packed20", 20, odd, 3)), "value_out_of_range");
});

Deno.test("packed20 has the byte layout of the specification", () => {
  assert.deepEqual([...toWire("packed20", Uint32Array.of(0xabcde, 0x12345, 0xfffff))], [
    ...[0xde, 0xbc, 0x5a, 0x34, 0x12],
    ...[0xff, 0xff, 0x0f],
  ]);
});

Deno.test("reduceRing() reduces mod 2^b", () => {
  const vector = Uint32Array.of(0, 255, 256, 0xffffffff);
  reduceRing(vector, 8);
  assert.deepEqual(vector, Uint32Array.of(0, 255, 0, 255));
});
